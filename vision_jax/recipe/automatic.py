"""The variant that a config is run with where the command names none.

A config file whose full size wants an accelerator names a smaller variant:

  VARIANTS = {"cpu": {...}}
  ON_CPU = "cpu"

A run that begins without an accelerator takes it; `PATH:full` does not. A
workdir keeps the variant that its run has begun with, on any machine.
"""

import types
from collections.abc import Callable

from vision_jax import tuning
from vision_jax.errors import UserError
from vision_jax.recipe import config_file, places, variants
from vision_jax.recipe.saved import Saved


def to_begin(name: str, log: Callable[[str], None]) -> str:
  """Returns "PATH:VARIANT" for a run that begins; tells what it has chosen.

  Raises:
    UserError: if ON_CPU names no variant of the config.
  """
  if places.names_variant(name) or not tuning.on_cpu():
    return name
  if not (variant := _on_cpu(name)):
    return name
  log(
    f"--config: there is no accelerator, so this is {name}:{variant}, which is "
    f"smaller; --config={name}:full is the whole one."
  )
  return f"{name}:{variant}"


def to_resume(name: str, saved: Saved) -> str:
  """Returns "PATH:VARIANT" for a run that goes on: with the workdir's variant.

  Where the command names none, and the workdir's was chosen as it began.
  """
  if places.names_variant(name) or not places.same(name, saved["path"]):
    return name
  there = places.look(name) is not None
  chosen = there and saved["variant"] == _on_cpu(name)
  return f"{name}:{saved['variant']}" if chosen else name


def smaller(path: str, variant: str, module: types.ModuleType) -> str:
  """Returns "PATH:VARIANT" that suits a machine without accelerator.

  "" where there is an accelerator, no such variant, or it is this one.
  """
  known = variants.names(module, path)
  made = getattr(module, "ON_CPU", "cpu")
  fits = tuning.on_cpu() and made in known and variant != made
  return f"{path}:{made}" if fits else ""


def _on_cpu(path: str) -> str:
  """Returns the variant that a config file names for a CPU, "" for none."""
  module = config_file.load(places.read(path), str(places.look(path)))
  variant = getattr(module, "ON_CPU", "")
  known = variants.names(module, path)
  if variant and variant not in known:
    raise UserError(
      f"--config: ON_CPU of {path} is {variant!r}; expected one of "
      f"{', '.join(known)}."
    )
  return variant
