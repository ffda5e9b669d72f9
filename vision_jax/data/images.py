"""Images as numpy arrays: decoding and resizing, without randomness."""

import zlib
from collections.abc import Sequence

import cv2
import numpy as np
import simplejpeg
from PIL import Image

from vision_jax.data.bands import (
  as_bands,
  check_channels,
  depth_of,
  read_bands,
  stored,
)
from vision_jax.data.depth import FLOATS, with_bits
from vision_jax.data.orientation import orientation, upright
from vision_jax.data.pillow import decode_by_pillow
from vision_jax.data.reading import JPEG, PNG, check_pixels, reading
from vision_jax.errors import UserError

cv2.setNumThreads(0)  # the loader's threads work on whole images

_RESAMPLING = {
  "bilinear": Image.Resampling.BILINEAR,
  "bicubic": Image.Resampling.BICUBIC,
}
# OpenCV's mean costs six times its bilinear and gains little below this.
_SHRINKS = 1.5
_HALVES = 2.5


def decode_image(
  data: bytes,
  channels: int = 3,
  name: str = "",
  min_size: tuple[int, int] = (0, 0),
  bits: int = 8,
  bands: Sequence[int] = (),
) -> np.ndarray:
  """Decodes an image and turns it upright as its Exif or XMP says.

  Args:
    data: the file's bytes.
    channels: 3 for RGB, 1 for grey, and alpha is dropped; any other number
      for all that the file has.
    name: what an error calls the image.
    min_size: a JPEG may be decoded at a fraction M/8 of its size that is at
      least this (height, width); (0, 0) decodes it whole.
    bits: bits of a channel, 8, 16 or 32, whatever the file has: see
      `with_bits`.
    bands: those of the file's that are taken, from 0 on; () for all.

  Returns:
    (h w c) uint8, or uint16 of 16 bits, float32 of 32.

  Raises:
    WrongChannels: if the file has others.
    BadImage: if the bytes are not a whole image, or one that is larger than
      `set_max_pixels` or the memory allows.
  """
  check_channels(channels, bands)
  with reading(name, data):
    if data.startswith(PNG):
      check_png(data)  # OpenCV returns the readable part of a broken file
    if as_bands(data, channels, bits, bands):
      return read_bands(data, name, channels, bits, bands)
    if data.startswith(JPEG):
      image = _decode_jpeg(data, channels, min_size)
    elif data.startswith(PNG):
      image = _decode_png(data, channels, bits)
    else:
      image = decode_by_pillow(data, channels, bits)
    return with_bits(image, bits)


def as_stored(data: bytes, name: str, *, photo: bool = True) -> np.ndarray:
  """Returns an image (h w c) of any number of channels and bits.

  Args:
    data: the file's bytes.
    name: what an error calls it.
    photo: whether a photograph becomes RGB; otherwise, and of other images, the
      channels are those of the file.
  """
  with reading(name, data):
    if data.startswith(PNG):
      check_png(data)
    if not photo or as_bands(data, 3, FLOATS):
      return stored(data)
  return decode_image(data, 3, name, bits=16 if is_deep(data) else 8)


def is_deep(data: bytes | np.ndarray) -> bool:
  """Whether an image has more than 8 bits a channel, and is no float array."""
  if isinstance(data, np.ndarray):
    return data.dtype == np.uint16
  if data.startswith(JPEG):
    return False
  try:
    return depth_of(data)[1] > 8
  except Exception:  # of a broken file: decoding says what is wrong
    return False


def is_grey(data: bytes) -> bool:
  """Whether an image's file has one channel, besides alpha."""
  try:
    return depth_of(data)[0] == 1
  except Exception:  # of a broken file: decoding says what is wrong
    return False


def jpeg_size(data: bytes) -> tuple[int, int] | None:
  """Returns (height, width) of a JPEG, None for other or broken files."""
  if not data.startswith(JPEG):
    return None
  try:
    return simplejpeg.decode_jpeg_header(data)[:2]
  except ValueError:
    return None  # decoding says what is wrong


def resize_image(
  image: np.ndarray, size: tuple[int, int], method: str = "bilinear"
) -> np.ndarray:
  """Resizes (h w c) to `size` (height, width), antialiased.

  Args:
    image: (h w c) uint8, uint16, or floats.
    size: (height, width).
    method: "bilinear" or "bicubic" as Pillow has them, whose filters widen
      when they shrink, so that numbers compare with published ones; "fast" is
      the mean over each new pixel's area where both axes shrink 1.5 times or
      more, and bilinear otherwise, after smoothing the one that does.
  """
  if image.shape[:2] == tuple(size):
    return image
  if method == "fast":
    return _resize_fast(image, size)
  return resize_part(image, (0, 0, *image.shape[:2]), size, method)


def resize_part(
  image: np.ndarray,
  part: tuple[float, float, float, float],
  size: tuple[int, int],
  method: str = "bilinear",
) -> np.ndarray:
  """Resizes a part of an image; at its edges the filter sees what is around.

  So it is what cutting the part out of the resized image would give, without
  the cost of the rest.

  Args:
    image: (h w c) uint8, uint16, or floats.
    part: top, left, height, width; fractions of a pixel count.
    size: (height, width) of the result.
    method: "bilinear" or "bicubic".
  """
  h, w, c = image.shape
  top, left, height, width = part
  box = (left, top, min(left + width, w), min(top + height, h))
  resize = lambda pixels: np.array(  # of one channel, or of bytes in colour
    Image.fromarray(pixels).resize(size[::-1], _RESAMPLING[method], box)
  )
  if image.dtype == np.uint8:
    if c in (1, 3):
      return resize(image[..., 0] if c == 1 else image).reshape(*size, c)
    return np.stack([resize(plane) for plane in np.moveaxis(image, -1, 0)], -1)
  planes = np.moveaxis(np.asarray(image, np.float32), -1, 0)
  stacked = np.stack([resize(plane) for plane in planes], -1)
  if image.dtype == np.uint16:  # bicubic overshoots
    return np.round(stacked.clip(0, 2**16 - 1)).astype(np.uint16)
  return stacked.clip(min(image.min(), 0), max(image.max(), 1))


def _resize_fast(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
  shrinks = [
    old >= _SHRINKS * new
    for old, new in zip(image.shape[:2], size, strict=True)
  ]
  if any(shrinks) and not all(shrinks):
    image = _smooth(image, shrinks.index(True), size)
  method = cv2.INTER_AREA if all(shrinks) else cv2.INTER_LINEAR
  return _by_fours(image, size, method)


def _smooth(image: np.ndarray, axis: int, size: tuple[int, int]) -> np.ndarray:
  """Prepares the one axis that shrinks: bilinear pixels see two neighbours.

  Rows that are skipped would be lost. Smoothed by 1 2 1, at half the size
  they are what Pillow's filter gives, at a tenth of the cost of a mean.
  """
  if image.shape[axis] < _HALVES * size[axis]:
    kernel = (1, 3) if axis == 0 else (3, 1)
    edge = cv2.BORDER_REPLICATE
    return cv2.GaussianBlur(image, kernel, 0, borderType=edge).reshape(
      image.shape
    )
  inner = (size[0], image.shape[1]) if axis == 0 else (image.shape[0], size[1])
  return _by_fours(image, inner, cv2.INTER_AREA)


def _by_fours(
  image: np.ndarray, size: tuple[int, int], method: int
) -> np.ndarray:
  """Resizes by OpenCV, whose mean takes four channels at most."""
  c = image.shape[-1]
  parts = [
    cv2.resize(
      np.ascontiguousarray(image[..., i : i + 4]),
      size[::-1],
      interpolation=method,
    ).reshape(*size, -1)
    for i in range(0, c, 4)
  ]
  return parts[0] if c <= 4 else np.concatenate(parts, -1)


def _decode_jpeg(
  data: bytes, channels: int, min_size: tuple[int, int]
) -> np.ndarray:
  try:
    h, w, space, _ = simplejpeg.decode_jpeg_header(data)
    check_pixels(h, w)
    if space in ("CMYK", "YCCK"):
      return decode_by_pillow(data, channels)
    image = simplejpeg.decode_jpeg(
      data,
      "GRAY" if channels == 1 else "RGB",
      min_height=min_size[0],
      min_width=min_size[1],
    )
  except UserError:
    raise
  except ValueError:  # also where libjpeg only warns, of a stray byte
    return decode_by_pillow(data, channels)  # which tells damage from that
  return upright(image, orientation(data))


def _decode_png(data: bytes, channels: int, bits: int) -> np.ndarray:
  grey = data[25] in (0, 4) and channels == 1  # the header's colour type
  flags = cv2.IMREAD_GRAYSCALE if grey else cv2.IMREAD_COLOR
  flags |= cv2.IMREAD_IGNORE_ORIENTATION
  flags |= cv2.IMREAD_ANYDEPTH if bits > 8 else 0
  image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
  if image is None:
    raise ValueError("the PNG's pixels cannot be decoded")
  if image.ndim == 3:
    to = cv2.COLOR_BGR2GRAY if channels == 1 else cv2.COLOR_BGR2RGB
    image = cv2.cvtColor(image, to)
  return upright(image.reshape(*image.shape[:2], channels), orientation(data))


def check_png(data: bytes) -> None:
  """Checks the size, and every chunk's length and CRC up to the end."""
  at, first = len(PNG), True
  while True:
    if at + 12 > len(data):
      raise ValueError("the PNG is truncated")
    length = int.from_bytes(data[at : at + 4], "big")
    body, end = data[at + 4 : at + 8 + length], at + 12 + length
    if end > len(data):
      raise ValueError("the PNG is truncated")
    if zlib.crc32(body) != int.from_bytes(data[end - 4 : end], "big"):
      raise ValueError("the PNG is corrupt: a chunk's checksum is wrong")
    if first:
      _check_png_header(body)
    if body[:4] == b"IEND":
      return
    at, first = end, False


def _check_png_header(body: bytes) -> None:
  if body[:4] != b"IHDR" or len(body) != 17:
    raise ValueError("the PNG does not begin with a header")
  check_pixels(
    height=int.from_bytes(body[8:12], "big"),
    width=int.from_bytes(body[4:8], "big"),
  )
