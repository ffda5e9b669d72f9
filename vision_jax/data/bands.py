"""Images of any number of channels: TIFF and npy, and others as stored.

Photographs are grey or in colour, and are decoded to either; all else has
bands, which are taken as they are in the file.
"""

import ast
import io
from collections.abc import Sequence

import cv2
import numpy as np
import simplejpeg
from PIL import Image

from vision_jax.data import tiff
from vision_jax.data.depth import FLOATS, from_file
from vision_jax.data.errors import DataError, WrongChannels, some
from vision_jax.data.orientation import noted, orientation, upright
from vision_jax.data.reading import JPEG, PNG, check_pixels
from vision_jax.errors import UserError

_NPY = b"\x93NUMPY"
_PHOTO = (1, 3)  # channels of one
_PNG_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 1, 6: 3}  # by colour type, without alpha


def check_channels(channels: int, bands: Sequence[int] = ()) -> None:
  """Checks that images can be decoded to so many channels, by these bands."""
  if channels < 1:
    raise DataError(f"decode: got channels {channels}; expected 1 or more.")
  if bands and (min(bands) < 0 or len(set(bands)) < len(bands)):
    raise DataError(
      f"--config.bands: got {some(bands)}; expected numbers of bands, from 0 "
      "on, each once."
    )
  if bands and channels != len(bands):
    raise DataError(
      f"decode: got channels {channels} and {len(bands)} bands, {some(bands)}; "
      "expected as many. Leave --config.channels out."
    )


def is_npy(data: bytes) -> bool:
  """Whether a file is an array of numpy's."""
  return data.startswith(_NPY)


def as_bands(
  data: bytes, channels: int, bits: int, bands: Sequence[int] = ()
) -> bool:
  """Whether a file is read by its bands, and not as a photograph."""
  if bands or channels not in _PHOTO or is_npy(data):
    return True
  if not tiff.is_tiff(data):
    return False
  return not tiff.is_photo(data) or (bits == FLOATS and _is_grey(data))


def _is_grey(data: bytes) -> bool:
  """Whether a TIFF has one channel; not a stack of photographs."""
  try:
    return depth_of(data)[0] == 1
  except UserError:  # of more axes than height, width and bands
    return False


def read_bands(
  data: bytes,
  name: str,
  channels: int,
  bits: int,
  bands: Sequence[int] = (),
) -> np.ndarray:
  """Returns an image's bands (h w channels), see `from_file`.

  Args:
    data: the file's bytes.
    name: what an error calls it.
    channels: how many there are to be; of 3 one may stand for all.
    bits: see `with_bits`.
    bands: those that are taken, in this order; () for all.

  Raises:
    WrongChannels: if the file has others.
  """
  pixels = stored(data, alpha=bool(bands) or channels not in _PHOTO)
  if channels == 1 and not bands and tiff.is_tiff(data):
    pixels = _as_grey(pixels)
  return from_file(pick(pixels, name, channels, bands), bits)


def pick(
  pixels: np.ndarray, name: str, channels: int, bands: Sequence[int] = ()
) -> np.ndarray:
  """Returns the channels of (h w c) that are asked for.

  Raises:
    WrongChannels: naming the image, what it has, and what is expected.
  """
  have = pixels.shape[-1]
  if bands:
    if max(bands) >= have:
      raise WrongChannels(
        name, have, f"more than {max(bands)}, as --config.bands asks for"
      )
    return np.ascontiguousarray(pixels[..., list(bands)])
  if have == 1 and channels == 3:  # grey, in colour
    return np.repeat(pixels, 3, -1)
  if have != channels:
    raise WrongChannels(name, have, str(channels))
  return pixels


def as_decoded(bands: Sequence[int], taken: Sequence[int]) -> tuple[int, ...]:
  """Returns bands of a file by their numbers in what is decoded of it.

  Args:
    bands: each one of those that are taken.
    taken: those that are decoded, in this order; () for all.
  """
  return tuple(taken.index(x) if taken else x for x in bands)


def stored(data: bytes, *, alpha: bool = True) -> np.ndarray:
  """Returns an image's pixels (h w c) in the file's type, upright.

  Args:
    data: the file's bytes.
    alpha: whether alpha is a channel.

  Raises:
    Exception: almost any, for broken files.
  """
  if is_npy(data):
    return _from_npy(data)
  if tiff.is_tiff(data):
    return tiff.read(data, alpha=alpha)
  if data.startswith(PNG):
    return _from_png(data)
  with Image.open(io.BytesIO(data)) as image:
    check_pixels(*image.size[::-1])
    if image.mode == "P":
      image = image.convert("RGB")
    pixels = np.array(image)
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    return upright(pixels, noted(image))


def depth_of(data: bytes) -> tuple[int, int]:
  """Returns how many channels a file has, without a photograph's alpha; bits.

  Raises:
    Exception: almost any, for broken files.
  """
  if data.startswith(JPEG):
    space = simplejpeg.decode_jpeg_header(data)[2]
    return 1 if space.lower() in ("gray", "grey") else 3, 8
  if data.startswith(PNG):
    return _PNG_CHANNELS[data[25]], max(data[24], 8)
  if is_npy(data):
    shape, kind = _npy_header(data)
    return (*shape, 1)[2], kind.itemsize * 8
  if tiff.is_tiff(data):
    return tiff.form(data)[2:]
  with Image.open(io.BytesIO(data)) as image:
    grey = image.mode[:1] in ("1", "L", "I", "F")
    return 1 if grey else 3, 16 if image.mode[:1] in ("I", "F") else 8


def size_by_bands(data: bytes) -> tuple[int, int] | None:
  """Returns (height, width) of npy and TIFF as decoding gives them.

  None for other files, and broken ones.
  """
  try:
    if is_npy(data):
      return _npy_header(data)[0][:2]
    return tiff.form(data)[:2] if tiff.is_tiff(data) else None
  except Exception:  # decoding says what is wrong
    return None


def _as_grey(pixels: np.ndarray) -> np.ndarray:
  """Returns the luma (h w 1) of colours that OpenCV can weigh; others as is."""
  kinds = (np.uint8, np.uint16, np.float32)
  if pixels.shape[-1] != 3 or pixels.dtype not in kinds:
    return pixels
  return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[..., None]


def _from_png(data: bytes) -> np.ndarray:
  image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
  if image is None:
    raise ValueError("the PNG's pixels cannot be decoded")
  image = tiff.as_rgb(image.reshape(*image.shape[:2], -1))
  return upright(image, orientation(data))


def _from_npy(data: bytes) -> np.ndarray:
  """Reads an array, never objects, which would be code."""
  shape, kind = _npy_header(data)
  check_pixels(*shape[:2])
  size = int(np.prod(shape, dtype=np.int64)) * kind.itemsize
  if len(data) < size:
    raise ValueError("the array is cut short")
  pixels = np.load(io.BytesIO(data), allow_pickle=False)
  return pixels.reshape(*shape[:2], -1)


def _npy_header(data: bytes) -> tuple[tuple[int, ...], np.dtype]:
  """Returns the shape and type of an array (h w) or (h w c).

  Raises:
    UserError: for others, and for Python's objects.
  """
  file = io.BytesIO(data)
  version = np.lib.format.read_magic(file)
  length = int.from_bytes(file.read(2 if version < (2, 0) else 4), "little")
  head = ast.literal_eval(file.read(length).decode("latin-1"))
  shape, kind = head["shape"], np.lib.format.descr_to_dtype(head["descr"])
  if kind.hasobject or kind.names:
    raise UserError(
      f"is an array of the type {kind}, which could run code as it is read; "
      "expected numbers"
    )
  if len(shape) not in (2, 3) or min(shape) < 1:
    raise UserError(
      f"is an array of the shape {shape}; expected (height, width) or (height, "
      "width, channels)"
    )
  return shape, kind
