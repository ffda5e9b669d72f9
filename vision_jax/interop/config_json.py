"""What a Hugging Face folder's config.json says, and what we have not."""

import collections
from collections.abc import Mapping
from typing import Any

from vision_jax.errors import UserError


def class_names(config: Mapping[str, Any]) -> tuple[str, ...]:
  """Returns the classes' names in their order, () where none are given.

  A name that several have gets each one's number: ImageNet's two "crane".

  Raises:
    UserError: where `id2label` leaves numbers out.
  """
  names = {int(k): str(v) for k, v in (config.get("id2label") or {}).items()}
  if sorted(names) != list(range(len(names))):
    raise UserError(
      f"config.json: id2label has the classes {sorted(names)[:5]}...; expected "
      f"each from 0 to {max(names)}."
    )
  several = collections.Counter(names.values())
  return tuple(
    f"{names[i]} ({i})" if several[names[i]] > 1 else names[i]
    for i in range(len(names))
  )


def num_classes(config: Mapping[str, Any]) -> int:
  """Returns how many classes there are; two is Hugging Face's default."""
  return len(class_names(config)) or int(config.get("num_labels", 2))


def expect(config: Mapping[str, Any], **values: Any) -> None:
  """Checks that settings are the ones that our net has.

  Args:
    config: of the net.
    **values: what each setting has to be, where it is there at all; a tuple
      for a list.

  Raises:
    UserError: naming the first that is another.
  """
  for name, value in values.items():
    got = config.get(name, value)
    got = tuple(got) if isinstance(got, list) else got
    if got != value:
      raise UserError(
        f"config.json: {name} is {got!r}, which the net here does not have; "
        f"expected {value!r}."
      )
