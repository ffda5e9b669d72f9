"""What training reads of images: so many channels, of so many bits."""

import collections
import dataclasses

import numpy as np

from vision_jax.data.bands import depth_of, pick
from vision_jax.data.errors import WrongChannels
from vision_jax.data.images import as_stored, decode_image

Depth = tuple[int, int]  # channels without alpha, and bits


@dataclasses.dataclass(frozen=True)
class Wanted:
  """What an example is to have, and its image to become, see `decode_image`.

  Attributes:
    has: "labels", "boxes" or "masks".
    channels: of the decoded image.
    bits: of each.
    bands: of the file; () for all.
    objects: whether masks number single objects, see `decode_target`.
  """

  has: str
  channels: int = 3
  bits: int = 8
  bands: tuple[int, ...] = ()
  objects: bool = False

  def image(
    self, data: bytes | np.ndarray, name: str, *, whole: bool
  ) -> np.ndarray:
    """Decodes an image as training does, or, of JPEG, at an eighth of its size.

    Args:
      data: the file's bytes, or an array.
      name: what an error calls it.
      whole: whether it is returned as it is in its file, to be shown.

    Raises:
      BadImage: if it is damaged.
      WrongChannels: if it has others.
    """
    if isinstance(data, np.ndarray):
      pick(data, name, self.channels, self.bands)
      return data
    least = (0, 0) if whole else (1, 1)
    given = {"bits": self.bits, "bands": self.bands}
    image = decode_image(data, self.channels, name, least, **given)
    photo = self.channels in (1, 3) and not self.bands
    return as_stored(data, name, photo=photo) if whole else image

  def place(self, error: WrongChannels, name: str, depth: Depth | None) -> str:
    """Returns which image has other channels, and how many."""
    if depth is None or self.bands:
      return str(error)
    return f"{name}: {depth[0]} channels, {depth[1]} bit"

  def advice(self, depths: collections.Counter) -> str:
    """Returns what to do about other channels: (channels, bits) -> images."""
    (channels, bits), n = depths.most_common(1)[0]
    others = n < depths.total()
    if self.bands or channels == self.channels:
      return "convert them, or leave them out"
    more = f" --config.bits={bits}" if bits in (16, 32) else ""
    rest = ", and convert the others, or leave them out" if others else ""
    return f"give --config.channels={channels}{more}{rest}"


def depth(data: bytes | np.ndarray) -> Depth | None:
  """Returns an image's channels and bits; None of a damaged one."""
  if isinstance(data, np.ndarray):
    return data.shape[-1], data.dtype.itemsize * 8
  try:
    return depth_of(data)
  except Exception:  # almost any: decoding says what is wrong
    return None
