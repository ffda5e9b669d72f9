"""A model as text, so that a config tells by itself what net it trains."""

import dataclasses
import importlib
import json
from typing import Any

import flax.linen as nn
import jax

from vision_jax.errors import UserError

PACKAGE = "vision_jax.models."  # nothing else is imported for a text
# What a run decides for itself, or flax keeps.
_LEFT_OUT = ("dtype", "remat", "name", "parent")
_PLAIN = (bool, int, float, str, type(None))


def describe(model: nn.Module) -> str:
  """Returns a model's class and the fields that are not its defaults, as JSON.

  Without the type to compute in and what is computed again.

  Raises:
    UserError: for a model that is none of this package's, or a field that is
      no number, word or list of them.
  """
  kind = type(model)
  where = f"{kind.__module__}.{kind.__qualname__}"
  if not where.startswith(PACKAGE):
    raise UserError(
      f"model: got {where}; expected a model of {PACKAGE}*, which a config can "
      "name. Build one's own net in a config of one's own."
    )
  fields = {}
  for field in dataclasses.fields(kind):
    value = getattr(model, field.name, None)
    if field.name in _LEFT_OUT or value == field.default:
      continue
    try:
      fields[field.name] = _text(value)
    except ValueError:
      raise UserError(
        f"model: {where} has {field.name}={value!r:.80}, which no text can "
        "name; expected numbers, words, lists of them, and what this package's "
        "models are made of."
      ) from None
  place = where.removeprefix(PACKAGE)
  return json.dumps({"model": place, **fields})


def build(text: str, **more: Any) -> nn.Module:
  """Returns the model that `describe` has described.

  Args:
    text: what it returned.
    **more: fields to set besides; those that the model does not have, and that
      are what they are without (`remat="none"`), are left out.

  Raises:
    UserError: if the text describes no model, or it has no such field.
  """
  try:
    fields = json.loads(text)
    place, _, name = str(fields.pop("model")).rpartition(".")
    kind = _class(f"{place}.{name}")
    known = {field.name for field in dataclasses.fields(kind)}
    assert issubclass(kind, nn.Module) and fields.keys() <= known
    fields = {name: _value(x) for name, x in fields.items()}
  except (
    AssertionError,
    AttributeError,
    ImportError,
    TypeError,
    ValueError,
    KeyError,
  ) as error:
    raise UserError(
      f"net: got {text!r:.200}, which describes no model here ({error}); "
      'expected JSON such as {"model": "backbones.resnet.ResNet", "num_classes"'
      ": 10}, which a run writes by itself."
    ) from error
  more = {
    name: value
    for name, value in more.items()
    if name in known or (name, value) not in (("remat", "none"),)
  }
  if absent := sorted(more.keys() - known):
    raise UserError(
      f"net: {name} has no field {absent[0]!r}, which is given as "
      f"{more[absent[0]]!r}; its fields are {', '.join(sorted(known))}."
    )
  return kind(**fields | {n: _value(x) for n, x in more.items()})


def _class(place: str) -> type:
  module, _, name = place.rpartition(".")
  return getattr(importlib.import_module(PACKAGE + module), name)


def _text(value: Any) -> Any:
  """Returns a field's value as JSON has it.

  Raises:
    ValueError: for one that is no number, word or list of them, no record of a
      class of this package, and no function of jax.nn.
  """
  kind = type(value)
  if isinstance(value, _PLAIN):
    return value
  if isinstance(value, list | tuple):
    return [_text(x) for x in value]
  if dataclasses.is_dataclass(kind) and kind.__module__.startswith(PACKAGE):
    place = f"{kind.__module__.removeprefix(PACKAGE)}.{kind.__qualname__}"
    names = [field.name for field in dataclasses.fields(kind)]
    return {"record": place, **{n: _text(getattr(value, n)) for n in names}}
  name = getattr(value, "__name__", "")
  if name and getattr(jax.nn, name, None) is value:
    return {"function": name}
  raise ValueError(value)


def _value(text: Any) -> Any:
  """Returns what `_text` has written."""
  if isinstance(text, list):
    return tuple(map(_value, text))
  if not isinstance(text, dict):
    return text
  if "function" in text:
    return getattr(jax.nn, text["function"])
  fields = {name: _value(x) for name, x in text.items() if name != "record"}
  kind = _class(text["record"])
  assert dataclasses.is_dataclass(kind) and not issubclass(kind, nn.Module)
  return kind(**fields)
