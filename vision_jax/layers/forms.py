"""Which form of an operation to trace: the one place that asks the backend.

Some operations are slow as XLA writes them for a CPU and several times faster
in another, equal form (1x1 convolutions as matrix products, pooling as shifted
maxima). Both forms have the same parameters and the same result up to the order
of float additions, so that checkpoints interchange.

The choice is made when a function is traced: a function that was compiled
before `cpu_forms` was entered keeps the form it was traced with.
"""

import contextlib
import os
from collections.abc import Iterator

import jax

from vision_jax.errors import UserError

VARIABLE = "VISION_JAX_CPU_FORMS"  # "off" keeps XLA's forms on a CPU too
_chosen: bool | None = None


def use_cpu_forms() -> bool:
  """True on a CPU, unless the environment or `cpu_forms` says otherwise.

  Raises:
    UserError: if VISION_JAX_CPU_FORMS is neither "on" nor "off".
  """
  if _chosen is not None:
    return _chosen
  value = os.environ.get(VARIABLE, "on")
  if value not in ("on", "off"):
    raise UserError(f"{VARIABLE}: got {value!r}; expected 'on' or 'off'.")
  return value == "on" and jax.default_backend() == "cpu"


@contextlib.contextmanager
def cpu_forms(on: bool) -> Iterator[None]:
  """Traces with (True) or without (False) the CPU's forms on any backend."""
  global _chosen
  before, _chosen = _chosen, on
  try:
    yield
  finally:
    _chosen = before
