"""Which side of an image is up, for all formats alike.

Cameras store the sensor's rows and say in Exif or XMP how to turn them. The
values are Exif's: 1 is upright, 2 mirrored, 3 upside down, 4 both; 5 to 8 also
exchange height and width.
"""

import io

import numpy as np
from PIL import Image

from vision_jax.data.reading import JPEG, PNG

_TAG = 0x0112
_PNG_NOTES = (b"eXIf", b"XML:com.adobe.xmp", b"Raw profile type ")
_ALONE = frozenset((0x01, *range(0xD0, 0xD9)))  # markers without a length


def orientation(data: bytes) -> int:
  """Returns the orientation, 1 to 8, that an encoded image's notes tell."""
  # Most files have none, and looking for it is much faster than parsing.
  if data.startswith(JPEG):
    found = _jpeg_has_note(data)
  elif data.startswith(PNG):
    found = any(note in data for note in _PNG_NOTES)
  else:
    found = True
  if not found:
    return 1
  try:
    with Image.open(io.BytesIO(data)) as image:
      return noted(image)
  except Exception:
    return 1  # decoding says what is wrong with the file


def noted(image: Image.Image) -> int:
  """Returns the orientation of an image that Pillow has opened.

  It is 1 where Pillow has turned the pixels itself, as it does on loading TIFF.
  """
  try:
    value = image.getexif().get(_TAG, 1)
  except Exception:
    return 1  # an unreadable note about the pixels; decoding judges the pixels
  return value if value in range(1, 9) else 1


def upright(image: np.ndarray, value: int) -> np.ndarray:
  """Turns (h w c) pixels as the orientation says."""
  if value == 1:
    return image
  if value >= 5:
    image = image.swapaxes(0, 1)
  flip_rows, flip_columns = value in (3, 4, 7, 8), value in (2, 3, 6, 7)
  image = image[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1]
  return np.ascontiguousarray(image)


def _jpeg_has_note(data: bytes) -> bool:
  """Walks a JPEG's segments up to its pixels, looking for Exif or XMP."""
  at = 2
  while data[at : at + 1] == b"\xff":
    while data[at + 1 : at + 2] == b"\xff":  # any number may fill up
      at += 1
    marker = data[at + 1] if at + 1 < len(data) else 0xDA
    if marker == 0xDA:
      return False
    if marker in _ALONE:
      at += 2
      continue
    end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    if marker == 0xE1 and (
      data.startswith(b"Exif\0\0", at + 4)
      or data.find(b"tiff:Orientation", at, end) >= 0
    ):
      return True
    at = end
  return False
