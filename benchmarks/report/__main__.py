"""The command: `python -m benchmarks.report`."""

import sys

from benchmarks.report.command import main

if __name__ == "__main__":
  sys.exit(main())
