"""Variants of a config: each says what it changes of `get_config()`.

  VARIANTS = {"tiny": dict(steps=20, width=8), "cpu": dict(optimizer={"lr": 1})}

"full" is what `get_config` gives. A variant has keys of `get_config` only, and
values of their types; a tuple may have another length.
"""

import difflib
from collections.abc import Mapping
from typing import Any

import ml_collections

from vision_jax.errors import UserError
from vision_jax.recipe.values import flat, put

FULL = "full"


def names(module: Any) -> tuple[str, ...]:
  """Returns the names of a config file's variants."""
  own = getattr(module, "VARIANTS", ())
  return (FULL, *own) if isinstance(own, Mapping) else (FULL, "tiny", *own)


def full(module: Any, variant: str) -> Any:
  """Returns what `get_config` gives, before a variant's changes.

  Where VARIANTS is no mapping, `get_config` is told the variant and makes it.
  """
  if isinstance(getattr(module, "VARIANTS", ()), Mapping):
    return module.get_config()
  return module.get_config(variant)


def changes(module: Any, variant: str) -> dict[str, Any]:
  """Returns dotted name -> value of what a variant changes."""
  own = getattr(module, "VARIANTS", ())
  given = own.get(variant, {}) if isinstance(own, Mapping) else {}
  return flat(given) if isinstance(given, Mapping) else {"": given}


def apply(
  config: ml_collections.ConfigDict, module: Any, variant: str, origin: str
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


def _fitting(value: Any, old: Any, where: str) -> Any:
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
