"""TIFF files of any number of bands, of any depth, planar or not."""

import io
import logging
import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from vision_jax.data.orientation import upright
from vision_jax.data.reading import check_pixels
from vision_jax.errors import UserError

if TYPE_CHECKING:  # it takes a while to import
  import tifffile

_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # the last two: BigTIFF
_ORIENTATION = 274
_WHITE_IS_ZERO, _RGB, _SEPARATED = 0, 2, 5
_ALPHA = (1, 2)  # of the extra samples, associated or not
# What it logs of odd tags, no pixel depends on.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)


def is_tiff(data: bytes) -> bool:
  """Whether a file begins as TIFF does."""
  return data.startswith(_MAGIC)


def is_photo(data: bytes) -> bool:
  """Whether a TIFF is grey, colour or CMYK as Pillow reads it; not if broken.

  Of 8 bits, besides alpha; grey ones of 16 bits too.
  """
  try:
    with _open(data) as file:
      page = file.pages[0]
      deep = page.bitspersample > 8
      whole = page.dtype is None or page.dtype.kind in "ub"
      if _shape(file)[-1] != page.samplesperpixel:
        return False  # pages are bands
      if page.samplesperpixel == 1:
        return page.bitspersample <= 16 and whole
      colours = page.samplesperpixel - _alphas(page)
      wanted = {_SEPARATED: 4}.get(page.photometric, 3)
      return whole and not deep and colours in (1, wanted)
  except Exception:  # of a broken file: Pillow says what is wrong
    return True


def form(data: bytes) -> tuple[int, int, int, int]:
  """Returns height and width as decoding gives them, channels, and bits.

  Channels without alpha of a photograph.
  """
  with _open(data) as file:
    page, (h, w, c) = file.pages[0], _shape(file)
    h, w = (w, h) if _turned(page) >= 5 else (h, w)
    return h, w, c - _alphas(page), page.bitspersample


def read(data: bytes, *, alpha: bool) -> np.ndarray:
  """Returns the pixels (h w c) in the file's type, upright.

  Bands are samples of a pixel, chunky or planar, or pages of one size.

  Args:
    data: the file's bytes.
    alpha: whether a channel of alpha is one of them.

  Raises:
    UserError: for a compression that takes another package.
    Exception: almost any, for broken files.
  """
  with _open(data) as file:
    page = file.pages[0]
    shape = _shape(file)
    check_pixels(*shape[:2])
    _check_whole(file, len(data))
    pixels = _pixels(file, data).reshape(shape)
    if pixels.dtype.kind in "uf" and page.photometric == _WHITE_IS_ZERO:
      kind = pixels.dtype
      white = 1 if kind.kind == "f" else 2**page.bitspersample - 1
      pixels = kind.type(white) - pixels
    if not alpha and (extra := _alphas(page)):
      pixels = pixels[..., :-extra]
    return upright(pixels, _turned(page))


def _open(data: bytes) -> "tifffile.TiffFile":
  import tifffile

  return tifffile.TiffFile(io.BytesIO(data))


def _alphas(page: "tifffile.TiffPage") -> int:
  """Returns how many of a photograph's channels are alpha."""
  coloured = page.photometric in (_RGB, _SEPARATED)
  extra = page.extrasamples
  if not coloured and len(extra) != 1:
    return 0
  return int(any(sample in _ALPHA for sample in extra[-1:]))


def _turned(page: "tifffile.TiffPage") -> int:
  tag = page.tags.get(_ORIENTATION)
  return tag.value if tag is not None and tag.value in range(1, 9) else 1


def _axes(file: "tifffile.TiffFile") -> str:
  """Returns what the axes of all pixels are: Y, X, and others.

  An array (h w c) that was written without a word of its bands lies in h pages
  of w x c. The file says so, and the least axis is taken for the bands.
  """
  series = file.series[0]
  if series.axes == "QYX" and series.shape[2] < min(series.shape[:2]):
    return "YXS"
  return series.axes


def _shape(file: "tifffile.TiffFile") -> tuple[int, int, int]:
  """Returns (h w c), as pixels are to lie.

  Raises:
    UserError: if there are more axes than those.
  """
  axes, shape = _axes(file), file.series[0].shape
  sizes = dict(zip(axes, shape, strict=True))
  others = [n for axis, n in sizes.items() if axis not in "YX" and n > 1]
  if len(others) > 1:
    raise UserError(
      f"has the axes {axes} of {shape}; expected height, width and bands. "
      "Save each time or depth as a file of its own"
    )
  return sizes["Y"], sizes["X"], math.prod(others)


def _check_whole(file: "tifffile.TiffFile", size: int) -> None:
  """Checks that all pixels lie in the file."""
  series = file.series[0]
  start = series.dataoffset  # of pixels in one piece
  ends = [start + series.nbytes if start else 0]
  for page in filter(None, series.pages):
    pieces = zip(page.dataoffsets, page.databytecounts, strict=True)
    ends += [start + count for start, count in pieces]
  if max(ends) > size:
    raise ValueError("the TIFF is truncated")


def _pixels(file: "tifffile.TiffFile", data: bytes) -> np.ndarray:
  """Returns the pixels with bands last."""
  series = file.series[0]
  try:
    pixels = series.asarray()
  except (ValueError, KeyError) as error:
    if "imagecodecs" not in str(error):
      raise
    return _by_opencv(file, data)
  axes = _axes(file)
  order = [i for i, axis in enumerate(axes) if axis not in "YX"]
  return pixels.transpose(axes.index("Y"), axes.index("X"), *order)


def _by_opencv(file: "tifffile.TiffFile", data: bytes) -> np.ndarray:
  """Reads a packed photograph, whose codecs OpenCV has."""
  page = file.pages[0]
  known = (3, 4) if page.bitspersample > 8 else (3,)  # it multiplies by alpha
  colours = page.photometric == _RGB and page.samplesperpixel in known
  image = None
  if len(file.pages) == 1 and (colours or page.samplesperpixel == 1):
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
  if image is None or image.dtype != page.dtype:
    raise UserError(
      f"is compressed by {page.compression.name}, which is read with the "
      "package imagecodecs; `pip install imagecodecs`, or save it anew with "
      "deflate or without compression"
    )
  image = image.reshape(*image.shape[:2], -1)
  return as_rgb(image)


def as_rgb(image: np.ndarray) -> np.ndarray:
  """Turns OpenCV's colours (h w c) around; grey and alpha stay."""
  if image.shape[-1] < 3:
    return image
  return np.concatenate([image[..., 2::-1], image[..., 3:]], -1)
