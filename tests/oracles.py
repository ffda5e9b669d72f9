"""What the parity tests compare with: the libraries of the oracle extra."""

import pytest

ABSENT = "the oracle extra is not installed: pip install -e '.[oracle]'"


def library(name):
  """Returns a library of the oracle extra; skips the test without it."""
  return pytest.importorskip(name, reason=ABSENT)
