"""The command: `python -m benchmarks.classical`."""

import sys

from benchmarks.classical.command import main

if __name__ == "__main__":
  sys.exit(main())
