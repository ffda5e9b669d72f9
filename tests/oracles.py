"""What the parity tests compare with: the libraries of the oracle extra."""

import importlib.util

import pytest

from benchmarks.accelerator.torchvision_operators import declare

ABSENT = "the oracle extra is not installed: pip install -e '.[oracle]'"


# Import torchvision where there is one, whose operators have to be declared.
ABOVE = ("diffusers", "timm", "torchmetrics", "torchvision", "transformers")


def library(name):
  """Returns a library of the oracle extra; skips the test without it."""
  if name.split(".")[0] in ABOVE and importlib.util.find_spec("torchvision"):
    pytest.importorskip("torch", reason=ABSENT)
    declare()
  return pytest.importorskip(name, reason=ABSENT)


def torchvision():
  """Returns torchvision, beside a torch for the CPU too.

  Its wheels are built for CUDA: there its operators are declared in their
  place, so that everything runs that does not call one.
  """
  if importlib.util.find_spec("torchvision") is None:
    pytest.skip(ABSENT)
  return library("torchvision")
