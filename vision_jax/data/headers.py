"""Sizes of images, from the first bytes of their files."""

import concurrent.futures
import io
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from vision_jax.data.assembly import cores
from vision_jax.data.bands import size_by_bands
from vision_jax.data.images import jpeg_size
from vision_jax.data.orientation import orientation
from vision_jax.data.reading import JPEG
from vision_jax.data.tiff import is_photo, is_tiff

UNREAD = (1000, 1000)  # of an image that does not open; decoding says why


def size_of(image: bytes | np.ndarray) -> tuple[int, int] | None:
  """Returns (height, width) as decoding gives it; None if it does not open."""
  if isinstance(image, np.ndarray):
    return image.shape[0], image.shape[1]
  if size := size_by_bands(image):
    return size
  size = jpeg_size(image) or _by_pillow(image)
  if size and orientation(image) >= 5:  # lies on its side
    return size[::-1]
  return size


def frames_of(image: bytes) -> int:
  """Returns how many images a file has, of which decoding takes the first.

  One where the pages of a TIFF are bands.
  """
  if image.startswith(JPEG) or (is_tiff(image) and not is_photo(image)):
    return 1
  try:
    with Image.open(io.BytesIO(image)) as opened:
      return getattr(opened, "n_frames", 1)
  except Exception:  # almost any, of a broken file
    return 1


def sizes(
  number: int, read: Callable[[int], bytes | np.ndarray]
) -> Sequence[tuple[int, int] | None]:
  """Returns `size_of` what `read` gives for each of `number` images."""

  def one(i: int) -> tuple[int, int] | None:
    try:
      return size_of(read(i))
    except ValueError:  # a bad image; where it is used, that is said
      return None

  with concurrent.futures.ThreadPoolExecutor(cores()) as pool:
    return list(pool.map(one, range(number)))


def _by_pillow(data: bytes) -> tuple[int, int] | None:
  try:
    with Image.open(io.BytesIO(data)) as image:
      return image.size[::-1]
  except Exception:  # almost any, of a broken file
    return None
