"""Images as numpy arrays: decoding and resizing, without randomness."""

import io
import struct
import zlib

import cv2
import numpy as np
import simplejpeg
from PIL import Image, ImageOps

from vision_jax.data.errors import BadImage, DataError
from vision_jax.errors import UserError

cv2.setNumThreads(0)  # the loader's threads work on whole images

_MODES = {1: "L", 3: "RGB"}
_RESAMPLING = {
  "bilinear": Image.Resampling.BILINEAR,
  "bicubic": Image.Resampling.BICUBIC,
}
_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_TIFF = (b"II*\0", b"MM\0*")
_ORIENTATION = 0x0112


def decode_image(
  data: bytes,
  channels: int = 3,
  name: str = "",
  min_size: tuple[int, int] = (0, 0),
) -> np.ndarray:
  """Decodes an image and turns it upright as its EXIF orientation says.

  Args:
    data: the file's bytes.
    channels: 3 for RGB, 1 for grey; alpha is dropped.
    name: what an error calls the image.
    min_size: a JPEG may be decoded at a fraction M/8 of its size that is at
      least this (height, width); (0, 0) decodes it whole.

  Returns:
    (h w c) uint8.

  Raises:
    BadImage: if the bytes are not a whole image.
  """
  if channels not in _MODES:
    raise DataError(f"decode: got channels {channels}; expected 1 or 3.")
  try:
    if data.startswith(_JPEG):
      return _decode_jpeg(data, channels, min_size)
    if data.startswith(_PNG):
      return _decode_png(data, channels)
    return _decode_other(data, channels)
  except BadImage:
    raise
  # Pillow raises SyntaxError and struct.error for some broken files.
  except (ValueError, OSError, SyntaxError, cv2.error, struct.error) as error:
    raise BadImage(name, _reason(data, error)) from error
  except Image.DecompressionBombError as error:
    raise BadImage(name, str(error)) from error


def jpeg_size(data: bytes) -> tuple[int, int] | None:
  """Returns (height, width) of a JPEG, None for other or broken files."""
  if not data.startswith(_JPEG):
    return None
  try:
    return simplejpeg.decode_jpeg_header(data)[:2]
  except ValueError:
    return None  # decoding says what is wrong


def orientation(data: bytes) -> int:
  """Returns the EXIF orientation, 1 to 8; 1 is upright."""
  # Most files have none, and looking for it is much faster than parsing.
  if data.startswith(_JPEG):
    found = _has_exif(data)
  else:
    found = b"eXIf" in data or b"EXIF" in data or data[:4] in _TIFF
  if not found:
    return 1
  try:
    with Image.open(io.BytesIO(data)) as image:
      value = image.getexif().get(_ORIENTATION, 1)
  except (ValueError, OSError, SyntaxError, struct.error):
    return 1  # an unreadable note about the pixels; decoding judges the pixels
  return value if value in range(1, 9) else 1


def resize_image(
  image: np.ndarray, size: tuple[int, int], method: str = "bilinear"
) -> np.ndarray:
  """Resizes (h w c) to `size` (height, width), antialiased.

  Args:
    image: (h w c) uint8, one or three channels, or floats in [0, 1].
    size: (height, width).
    method: "bilinear" or "bicubic" as Pillow has them, whose filters widen
      when they shrink, so that numbers compare with published ones; "fast" is
      the mean over each new pixel's area when shrinking 1.5 times or more,
      and bilinear otherwise.
  """
  if image.shape[:2] == tuple(size):
    return image
  if method == "fast":
    return _resize_fast(image, size)
  if image.dtype != np.uint8:
    return _resize_floats(image, size, method)
  grey = image.shape[2] == 1
  resized = Image.fromarray(image[..., 0] if grey else image).resize(
    size[::-1], _RESAMPLING[method]
  )
  return np.array(resized).reshape(*size, image.shape[2])


def _resize_floats(
  image: np.ndarray, size: tuple[int, int], method: str
) -> np.ndarray:
  """Resizes channel by channel: Pillow has one channel of floats."""
  resized = [
    Image.fromarray(channel).resize(size[::-1], _RESAMPLING[method])
    for channel in np.moveaxis(np.asarray(image, np.float32), -1, 0)
  ]
  stacked = np.stack([np.asarray(channel) for channel in resized], -1)
  return stacked.clip(0, 1)  # bicubic overshoots


def _resize_fast(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
  h, w, c = image.shape
  # OpenCV's mean costs six times its bilinear and gains little below this.
  shrinks = min(h / size[0], w / size[1]) >= 1.5
  method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
  return cv2.resize(image, size[::-1], interpolation=method).reshape(*size, c)


def _has_exif(data: bytes) -> bool:
  """Walks a JPEG's segments up to its pixels."""
  at = 2
  while data[at : at + 1] == b"\xff" and data[at + 1 : at + 2] != b"\xda":
    if data[at + 4 : at + 10] == b"Exif\0\0":
      return True
    at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
  return False


def _decode_jpeg(
  data: bytes, channels: int, min_size: tuple[int, int]
) -> np.ndarray:
  space = simplejpeg.decode_jpeg_header(data)[2]
  if space in ("CMYK", "YCCK"):
    return _decode_other(data, channels)
  image = simplejpeg.decode_jpeg(
    data,
    "GRAY" if channels == 1 else "RGB",
    min_height=min_size[0],
    min_width=min_size[1],
  )
  return _upright(image, orientation(data))


def _decode_png(data: bytes, channels: int) -> np.ndarray:
  check_png(data)  # OpenCV returns the readable part of a broken file
  flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
  if data[25] in (0, 4) and channels == 1:  # the header's colour type is grey
    flags = cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION
  image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
  if image is None:
    raise UserError("the PNG's pixels cannot be decoded")
  if image.ndim == 3:
    to = cv2.COLOR_BGR2GRAY if channels == 1 else cv2.COLOR_BGR2RGB
    image = cv2.cvtColor(image, to)
  return _upright(image.reshape(*image.shape[:2], channels), orientation(data))


def check_png(data: bytes) -> None:
  """Checks every chunk's length and CRC up to the end of the image."""
  at = len(_PNG)
  while True:
    if at + 12 > len(data):
      raise UserError("the PNG is truncated")
    length = int.from_bytes(data[at : at + 4], "big")
    body, end = data[at + 4 : at + 8 + length], at + 12 + length
    if end > len(data):
      raise UserError("the PNG is truncated")
    if zlib.crc32(body) != int.from_bytes(data[end - 4 : end], "big"):
      raise UserError("the PNG is corrupt: a chunk's checksum is wrong")
    if body[:4] == b"IEND":
      return
    at = end


def _decode_other(data: bytes, channels: int) -> np.ndarray:
  with Image.open(io.BytesIO(data)) as image:
    upright = ImageOps.exif_transpose(image)
    pixels = np.array(upright.convert(_MODES[channels]))
  return pixels.reshape(*pixels.shape[:2], channels)


def _upright(image: np.ndarray, value: int) -> np.ndarray:
  """Applies an EXIF orientation."""
  if value == 1:
    return image
  if value >= 5:
    image = image.swapaxes(0, 1)
  flip_rows = {3: True, 4: True, 7: True, 8: True}.get(value, False)
  flip_columns = {2: True, 3: True, 6: True, 7: True}.get(value, False)
  image = image[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1]
  return np.ascontiguousarray(image)


def _reason(data: bytes, error: Exception) -> str:
  if not data:
    return "the file is empty"
  if isinstance(error, Image.UnidentifiedImageError):
    return "the bytes are in no known image format"
  return f"corrupt or truncated ({error})"
