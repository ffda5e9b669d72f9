"""What can be wrong with data, as exceptions."""

from collections.abc import Iterable

from vision_jax.errors import UserError


class DataError(UserError):
  """Data that cannot be used; the message says what, got, expected and fix."""


class BadImage(DataError):
  """One image that cannot be decoded.

  Attributes:
    name: the file, or the data set and position, of the image.
    reason: what is wrong with it.
  """

  def __init__(self, name: str, reason: str):
    super().__init__(
      f"image {name}: {reason}; expected a whole, decodable image. Replace or "
      "remove it, or pass --config.on_bad_image=skip to leave bad ones out."
    )
    self.name, self.reason = name, reason


class WrongChannels(DataError):
  """An image of another number of channels than the config's."""

  def __init__(self, name: str, have: int, expected: str):
    number = f"{have} channel{'s' if have > 1 else ''}"
    super().__init__(
      f"image {name}: has {number}; expected {expected}. "
      f"Convert it, or train with --config.channels={have}, or with those that "
      "count by --config.bands=0,1,..."
    )


def some(values: Iterable[object], most: int = 8) -> str:
  """Returns values for a message: the first ones, and how many there are."""
  values = list(values)
  shown = ", ".join(map(str, values[:most]))
  more = f", ... ({len(values)} in all)" if len(values) > most else ""
  return shown + more
