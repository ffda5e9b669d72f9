"""The command: `python -m benchmarks.accelerator --output=OUT --budget=25m`."""

import signal
import sys
from collections.abc import Sequence

from benchmarks.accelerator.options import parse
from benchmarks.accelerator.run import run
from vision_jax.errors import RunFailure, UserError

BAD_INPUT, FAILED = 2, 3


def main(argv: Sequence[str] | None = None) -> int:
  """Measures what `argv` asks for.

  Returns:
    0, also where something cannot run here; 2 for bad input; 3 where a check
    finds wrong numbers or a measurement breaks.
  """
  try:
    return 0 if run(parse(argv)) else FAILED
  except UserError as error:
    print(f"error: {error}", file=sys.stderr)
    return BAD_INPUT
  except RunFailure as error:
    print(f"error: {error}", file=sys.stderr)
    return FAILED


if __name__ == "__main__":
  signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
  sys.exit(main())
