"""A model as text, so that a config tells by itself what net it trains."""

import dataclasses
import importlib
import json
from typing import Any

import flax.linen as nn

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
    if not _plain(value):
      raise UserError(
        f"model: {where} has {field.name}={value!r:.80}, which no text can "
        "name; expected numbers, words and lists of them."
      )
    fields[field.name] = value
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
    kind = getattr(importlib.import_module(PACKAGE + place), name)
    known = {field.name for field in dataclasses.fields(kind)}
    assert issubclass(kind, nn.Module) and fields.keys() <= known
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
  return kind(**{n: _tuples(x) for n, x in (fields | more).items()})


def _plain(value: object) -> bool:
  if isinstance(value, list | tuple):
    return all(map(_plain, value))
  return isinstance(value, _PLAIN)


def _tuples(value: Any) -> Any:
  return tuple(map(_tuples, value)) if isinstance(value, list) else value
