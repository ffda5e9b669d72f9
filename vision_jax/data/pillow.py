"""Decoding by Pillow: formats besides JPEG and PNG, and rare kinds of JPEG."""

import io

import numpy as np
from PIL import Image

from vision_jax.data.depth import from_file, from_unit
from vision_jax.data.orientation import noted, upright
from vision_jax.data.reading import check_pixels

_MODES = {1: "L", 3: "RGB"}
_BITS, _PHOTOMETRIC = 258, 262  # TIFF's tags
_WHITE_IS_ZERO = 0


def decode_by_pillow(data: bytes, channels: int, bits: int = 8) -> np.ndarray:
  """Decodes any format that Pillow knows to (h w channels), upright.

  uint8, or uint16 where the file has more bits; floats are taken to be in
  [0, 1] and become whole numbers of `bits`.

  Raises:
    UserError: for pixels whose black and white cannot be known.
    Exception: almost any, for broken files.
  """
  with Image.open(io.BytesIO(data)) as image:
    check_pixels(*image.size[::-1])
    image.load()
    if image.mode.startswith(("I", "F")):
      inverted = _tag(image, _PHOTOMETRIC, 1) == _WHITE_IS_ZERO
      grey = _from_deep(image, bits)
      grey = np.iinfo(grey.dtype).max - grey if inverted else grey
      pixels = np.repeat(grey[..., None], 3, 2)
    else:
      pixels = np.array(image.convert(_MODES[channels]))
    pixels = pixels.reshape(*pixels.shape[:2], -1)[..., :channels]
    return np.ascontiguousarray(upright(pixels, noted(image)))


def _from_deep(image: Image.Image, bits: int) -> np.ndarray:
  """Brings pixels of more than 8 bits to (h w) uint16, floats to `bits`.

  Pillow's own conversion cuts them off at 255.
  """
  pixels = np.array(image)
  if image.mode == "F":
    return from_unit(pixels, bits)
  if image.mode == "I" and image.format != "PPM":  # whose range is 16 bits
    return from_file(pixels, bits)  # which says why not
  pixels = pixels.astype(np.uint16)
  twelve = _tag(image, _BITS, (16,)) == (12,)
  return pixels << 4 | pixels >> 8 if twelve else pixels


def _tag(image: Image.Image, tag: int, default: object) -> object:
  return getattr(image, "tag_v2", {}).get(tag, default)
