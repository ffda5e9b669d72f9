"""Shape checks at trace time: they cost nothing in the compiled program."""

from typing import Any


def check_shape(name: str, x: Any, expected: str) -> tuple[int, ...]:
  """Returns x.shape, after comparing it with a pattern such as "b h w 3".

  A letter stands for any size, and the same letter for the same size; a number
  stands for itself.

  Raises:
    ValueError: with the name, what it got and what was expected.
  """
  sizes: dict[str, int] = {}
  axes, shape = expected.split(), tuple(x.shape)
  same = len(axes) == len(shape) and all(
    size == (int(axis) if axis.isdigit() else sizes.setdefault(axis, size))
    for axis, size in zip(axes, shape, strict=True)
  )
  if not same:
    raise ValueError(
      f"{name}: got shape {shape}; expected ({', '.join(axes)}). "
      "Images are b h w c: add a batch axis, or move the channels last."
      if "h w" in expected
      else f"{name}: got shape {shape}; expected ({', '.join(axes)})."
    )
  return shape
