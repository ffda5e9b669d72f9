"""Variants of a config: each says what it changes of `get_config()`.

  VARIANTS = {"tiny": dict(steps=20, width=8), "cpu": dict(optimizer={"lr": 1})}

"full" is what `get_config` gives. A variant has keys of `get_config` only, and
values of their types; a tuple may have another length.
"""

import difflib
import inspect
import types
from collections.abc import Mapping

import ml_collections

from vision_jax.errors import UserError
from vision_jax.recipe.values import Value, flat, put

FULL = "full"


def names(module: types.ModuleType, origin: str) -> tuple[str, ...]:
  """Returns the names of a config file's variants.

  Raises:
    UserError: if VARIANTS is not a mapping of names to mappings.
  """
  own = getattr(module, "VARIANTS", {})
  each = own.values() if isinstance(own, Mapping) else [own]
  if not all(isinstance(changed, Mapping) for changed in each):
    raise UserError(
      f"--config: VARIANTS of {origin} is {own!r:.200}; expected what each "
      'variant changes of get_config(), such as {"tiny": {"steps": 20}}.'
    )
  return FULL, *own


def full(module: types.ModuleType, origin: str) -> object:
  """Returns what `get_config` gives, before a variant's changes.

  Raises:
    UserError: if it wants an argument.
  """
  try:
    inspect.signature(module.get_config).bind()
  except TypeError as error:
    raise UserError(
      f"--config: get_config of {origin} is called without arguments "
      f"({error}); expected get_config(), and in VARIANTS what each variant "
      "changes."
    ) from None
  return module.get_config()


def changes(module: types.ModuleType, variant: str) -> dict[str, Value]:
  """Returns dotted name -> value of what a variant changes."""
  return flat(getattr(module, "VARIANTS", {}).get(variant, {}))


def apply(
  config: ml_collections.ConfigDict,
  module: types.ModuleType,
  variant: str,
  origin: str,
) -> None:
  """Sets a variant's values in place.

  Raises:
    UserError: for a key that `get_config` does not have (with the nearest), or
      a value of another type.
  """
  known = flat(config.to_dict())
  for key, value in changes(module, variant).items():
    where = f"--config: VARIANTS[{variant!r}] of {origin}: {key}"
    if key not in known:
      near = difflib.get_close_matches(key, known, 1, 0.0)[0]
      raise UserError(
        f"{where}: get_config has no such key; did you mean {near}? A variant "
        "changes values, it adds none."
      )
    put(config, key, _fitting(value, known[key], where))


def _fitting(value: Value, old: Value, where: str) -> Value:
  """Returns a value as of the type of the one that it replaces."""
  if old is None:
    return value
  if type(value) is int and type(old) is float:
    return float(value)
  alike = type(value) is type(old)
  if alike and isinstance(old, list | tuple) and old:
    alike = all(any(type(x) is type(y) for y in old) for x in value)
  if not alike:
    raise UserError(
      f"{where}: got {value!r:.200}; expected a value of type "
      f"{type(old).__name__}, like {old!r:.200}."
    )
  return value
