"""The command, in a process that gets SIGTERM once STEP steps are done.

python -m tests.programs.signalled STEP FLAGS...
"""

import sys

from vision_jax import main, tuning

if __name__ == "__main__":
  tuning.tune_allocator()
  from tests.programs.command import after_step, terminate

  with after_step(int(sys.argv[1]), terminate):
    sys.exit(main.main(sys.argv[2:]))
