"""The command: `python -m benchmarks.gallery`."""

import sys

from benchmarks.gallery.command import main

if __name__ == "__main__":
  sys.exit(main())
