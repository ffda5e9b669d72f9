"""What holds for every reader of images: errors named, sizes limited."""

import contextlib
import logging
from collections.abc import Iterator

from PIL import Image

from vision_jax.data.errors import BadImage, DataError
from vision_jax.errors import UserError

JPEG, PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"  # how files begin
# What Pillow logs of a TIFF that it does not read, it raises too.
logging.getLogger("PIL.TiffImagePlugin").setLevel(logging.CRITICAL)
# What Pillow refuses by itself; a packed file of 1 MB may hold more.
MAX_PIXELS = 178_956_970


def set_max_pixels(most: int) -> None:
  """Sets how many pixels an image or mask may have, in the whole process.

  Args:
    most: pixels; larger ones are bad images.

  Raises:
    DataError: if it is not positive.
  """
  if most < 1:
    raise DataError(f"max_pixels: got {most}; expected 1 or more.")
  # The limit is Pillow's, which warns at this number and refuses at twice it.
  Image.MAX_IMAGE_PIXELS = -(-most // 2)


def check_pixels(height: int, width: int) -> None:
  """Checks an image's size before it is decoded or enlarged to it.

  Raises:
    UserError: if it has more pixels than `set_max_pixels` allows.
  """
  most, pixels = Image.MAX_IMAGE_PIXELS, height * width
  if most is not None and pixels > 2 * most:
    raise UserError(
      f"{height}x{width} (height x width) are {pixels} pixels, above the limit "
      f"of {2 * most}; --max_pixels={pixels} allows it"
    )


@contextlib.contextmanager
def reading(name: str, data: bytes = b"?") -> Iterator[None]:
  """Names the file in whatever a library raises while it reads it.

  Broken files make Pillow's readers raise almost anything (OSError, ValueError,
  SyntaxError, struct.error, IndexError, ...), and huge ones MemoryError.

  Args:
    name: what the error calls the image.
    data: its bytes.

  Raises:
    BadImage: in place of any error inside.
  """
  try:
    yield
  except DataError:  # says already which file it is
    raise
  except Exception as error:
    raise BadImage(name, _reason(data, error)) from error


def _reason(data: bytes, error: Exception) -> str:
  if not data:
    return "the file is empty"
  if isinstance(error, MemoryError):
    return "it needs more memory than there is"
  if isinstance(error, Image.DecompressionBombError):
    return f"too large ({error}); --max_pixels=N allows more"
  if isinstance(error, Image.UnidentifiedImageError):
    return "the bytes are in no known image format"
  if isinstance(error, UserError):
    return str(error)
  return f"corrupt or truncated ({error})"
