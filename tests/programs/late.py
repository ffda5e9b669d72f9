"""The command, in a process that lists its checkpoints SECONDS late.

python -m tests.programs.late SECONDS FLAGS...
"""

import sys
import time
from unittest import mock

from vision_jax import main, tuning

if __name__ == "__main__":
  tuning.tune_allocator()
  from orbax.checkpoint import CheckpointManager

  before = CheckpointManager.reload

  def late(self):
    time.sleep(float(sys.argv[1]))
    before(self)

  with mock.patch.object(CheckpointManager, "reload", late):
    sys.exit(main.main(sys.argv[2:]))
