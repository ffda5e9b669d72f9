"""The command: `python -m benchmarks.robustness`."""

import sys

from benchmarks.robustness.command import main

if __name__ == "__main__":
  sys.exit(main())
