"""Which form of an operation to trace: the one place that asks the backend.

Some operations are slow as XLA writes them and several times faster in
another, equal form (1x1 convolutions as matrix products, pooling as shifted
maxima). All forms have the same parameters and the same result up to the order
of float additions (where a form rounds, FORMS says so), so that checkpoints
interchange.

Each operation's first form is the one that XLA or the paper would write. `CPU`
is measured; `ACCELERATOR` holds the forms that lower best until they are timed
there (`python -m benchmarks.accelerator` times all of them). A form is chosen
when a function is traced: one that was compiled before `use_forms` was entered
keeps the form it was traced with.
"""

import contextlib
import os
from collections.abc import Iterator

import jax

from vision_jax.errors import UserError

CPU_VARIABLE = "VISION_JAX_CPU_FORMS"  # "off" keeps the first forms on a CPU
VARIABLE = "VISION_JAX_FORMS"  # such as "pool_3=shifts,matching=nested"

FORMS = {
  "conv_1x1": ("convolution", "product"),
  "conv_3d": ("convolution", "taps"),  # of clips
  "patches": ("convolution", "product"),
  "small_maps": ("convolution", "patches"),  # smaller than the kernel
  "few_images": ("convolution", "padded"),  # and so a short batch
  "grouped": ("convolution", "split"),
  "depthwise": ("convolution", "shifts"),  # each channel by itself
  "transposed": ("dilated", "subpixel"),
  "pool_blocks": ("window", "shifts"),  # windows that do not overlap
  "pool_shifts": ("window", "shifts"),  # windows that do
  "dense_gradient": ("plain", "transposed", "float32"),
  "gelu": ("kept", "again"),  # what it computes, for the backward pass
  "layer_norm": ("kept", "again"),
  "matching": ("nested", "turns"),
  "nested": ("program", "flat"),  # loops and branches, of gradients
  "histogram": ("scatter", "compare"),
  "levels": ("float32", "uint8"),  # of RandAugment; uint8 rounds, as Pillow
}
FIRST = {name: forms[0] for name, forms in FORMS.items()}
CPU = {name: forms[1] for name, forms in FORMS.items()} | {
  "gelu": "kept",
  "layer_norm": "kept",
  "matching": "nested",
  "histogram": "scatter",
  "levels": "float32",
}
ACCELERATOR = FIRST | {
  "patches": "product",
  "transposed": "subpixel",
  "dense_gradient": "float32",
  "pool_blocks": "shifts",
  "gelu": "again",
  "layer_norm": "again",
  "matching": "turns",
  "histogram": "compare",
  "levels": "uint8",
}
_chosen: dict[str, str] = {}


def form(operation: str) -> str:
  """Returns the form to trace of an operation out of FORMS.

  In order: what `use_forms` says, what VISION_JAX_FORMS says, and the
  backend's default.

  Raises:
    UserError: if a variable of the environment names no form.
  """
  return (_defaults() | _environment() | _chosen)[operation]


@contextlib.contextmanager
def use_forms(**forms: str) -> Iterator[None]:
  """Traces with these forms, `operation="form"`, on any backend."""
  global _chosen
  for operation, name in forms.items():
    _check("use_forms", operation, name)
  before, _chosen = _chosen, _chosen | forms
  try:
    yield
  finally:
    _chosen = before


@contextlib.contextmanager
def cpu_forms(on: bool) -> Iterator[None]:
  """Traces with (True) or without (False) the CPU's forms on any backend."""
  with use_forms(**(CPU if on else FIRST)):
    yield


def _defaults() -> dict[str, str]:
  value = os.environ.get(CPU_VARIABLE, "on")
  if value not in ("on", "off"):
    raise UserError(f"{CPU_VARIABLE}: got {value!r}; expected 'on' or 'off'.")
  if jax.default_backend() != "cpu":
    return ACCELERATOR
  return CPU if value == "on" else FIRST


def _environment() -> dict[str, str]:
  forms = {}
  for part in os.environ.get(VARIABLE, "").split(","):
    operation, _, name = part.strip().partition("=")
    if operation:
      _check(VARIABLE, operation, name)
      forms[operation] = name
  return forms


def _check(where: str, operation: str, name: str) -> None:
  if name in FORMS.get(operation, ()):
    return
  known = "; ".join(f"{k}={'|'.join(v)}" for k, v in FORMS.items())
  raise UserError(
    f"{where}: got {operation}={name}; expected operations and their forms "
    f"out of {known}."
  )
