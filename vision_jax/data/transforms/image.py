"""Images decoded and resized: what makes them one static shape."""

from collections.abc import Sequence

import numpy as np

from vision_jax.data.bands import check_channels, pick
from vision_jax.data.depth import check_bits, with_bits
from vision_jax.data.errors import DataError
from vision_jax.data.images import decode_image, is_deep, resize_image
from vision_jax.data.orientation import orientation
from vision_jax.data.pickled import transform
from vision_jax.data.reading import check_pixels, reading
from vision_jax.data.source import Example
from vision_jax.data.transforms.base import (
  Transform,
  check_alone,
  log_once,
  name_of,
)


@transform
def decode(
  channels: int = 3, bits: int = 8, bands: Sequence[int] = ()
) -> Transform:
  """Decodes `image` to (h w channels), upright: uint8, or uint16 of 16 bits.

  All images get the same `bits`, whatever each file has, so that a set may
  mix both: of 16 the high byte is kept, 8 become 16 without a loss. Of 32 bits
  they are float32, see `with_bits`. `bands` are those of a file's channels that
  are taken, from 0 on; () takes all.

  Logs once, naming the image, where bits were dropped; and where one with
  boxes or a mask was turned and its size would not show that those were drawn
  on the pixels as stored.

  Raises:
    DataError: for channels, bits or bands that cannot be.
    WrongChannels: naming the file, if it has others.
    BadImage: naming the file, if it is no whole image.
  """
  check_channels(channels, bands)
  check_bits(bits)
  log_turned, log_deep = log_once(_TURNED), log_once(DEEP)

  def apply(example: Example, rng: np.random.Generator | None) -> Example:
    del rng
    image = to_array(example, channels, bits, bands)
    if _drawn_on(example) and _turned_unseen(example["image"], image):
      log_turned(example)
    if bits == 8 and is_deep(example["image"]):
      log_deep(example)
    return example | {"image": image}

  return apply


DEEP = (
  "image %s: has more than 8 bits a channel, of which 8 are kept; "
  "--config.bits=16 keeps 16. (Logged for the first one only.)"
)
_TURNED = (
  "image %s: was turned as its Exif or XMP orientation says, which its size "
  "does not show; if its boxes or masks were drawn on the pixels as they are "
  "stored, they are in the wrong place. Look at one, and save such images "
  "upright. (Logged for the first one only.)"
)


def _drawn_on(example: Example) -> bool:
  return any(key in example for key in ("boxes", "target", "masks"))


def _turned_unseen(data: bytes | np.ndarray, image: np.ndarray) -> bool:
  """Whether an orientation moved pixels and left height and width alike."""
  if not isinstance(data, bytes):
    return False
  value, (h, w) = orientation(data), image.shape[:2]
  return 1 < value < 5 or (value >= 5 and h == w)


@transform
def resize(size: int | tuple[int, int], method: str = "bilinear") -> Transform:
  """Resizes `image`: an int is the short side, a pair is (height, width).

  `method` is "bilinear" or "bicubic" with Pillow's antialiasing, or "fast".
  """
  if method not in ("bilinear", "bicubic", "fast"):
    raise DataError(
      f"resize: got method {method!r}; expected bilinear, bicubic or fast."
    )
  check_size_given("resize", size)

  def apply(example: Example, rng: np.random.Generator | None) -> Example:
    del rng
    check_alone(example, "resize", ("target", "masks"))
    image = decoded(example, "resize")
    wanted = short_side(image, size) if isinstance(size, int) else size
    with reading(name_of(example)):
      check_pixels(*wanted)
    return example | {"image": resize_image(image, tuple(wanted), method)}

  return apply


def to_array(
  example: Example, channels: int, bits: int = 8, bands: Sequence[int] = ()
) -> np.ndarray:
  """Returns the image decoded, with the number of channels checked."""
  image = example["image"]
  if isinstance(image, bytes):
    return decode_image(
      image, channels, name_of(example), bits=bits, bands=bands
    )
  if image.ndim != 3:
    raise DataError(
      f"decode: {name_of(example)} is an array of shape {image.shape}; "
      f"expected (h, w, {channels}). Check channels."
    )
  return with_bits(pick(image, name_of(example), channels, bands), bits)


def decoded(example: Example, what: str, *, clips: bool = False) -> np.ndarray:
  """Returns the image, which has to be decoded, for the transform `what`.

  It is (h, w, c), or with `clips` also (t, h, w, c).
  """
  image = example["image"]
  if isinstance(image, bytes):
    raise DataError(
      f"{what}: {name_of(example)} is still encoded; expected an array. Put "
      "decode() before it."
    )
  if image.ndim != 3 and not (clips and image.ndim > 3):
    raise DataError(
      f"{what}: {name_of(example)} is an array of shape {image.shape}; "
      "expected (h, w, c). What makes groups takes transforms of each example."
    )
  return image


def short_side(image: np.ndarray, size: int) -> tuple[int, int]:
  """Returns the (height, width) whose smaller one is `size`."""
  h, w, _ = image.shape
  return (size, round(w * size / h)) if h <= w else (round(h * size / w), size)


def check_size_given(what: str, size: int | tuple[int, int]) -> None:
  """Checks a size that the transform `what` is made with."""
  if min(size if isinstance(size, tuple) else (size,)) < 1:
    raise DataError(f"{what}: got size {size}; expected 1 pixel or more.")
