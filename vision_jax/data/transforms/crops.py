"""Host transforms that cut a window out of an image.

They bring images of any size to one: the middle for evaluation, a random part
for training (`transforms` says what a transform is).
"""

import math
from collections.abc import Sequence

import numpy as np

from vision_jax.data.bands import check_channels
from vision_jax.data.depth import check_bits
from vision_jax.data.errors import DataError
from vision_jax.data.images import (
  decode_image,
  is_deep,
  jpeg_size,
  resize_image,
  resize_part,
)
from vision_jax.data.orientation import orientation
from vision_jax.data.pickled import transform
from vision_jax.data.source import Example
from vision_jax.data.transforms.base import (
  Transform,
  check_alone,
  log_once,
  name_of,
)
from vision_jax.data.transforms.image import (
  DEEP,
  check_size_given,
  decoded,
  short_side,
  to_array,
)


@transform
def centre_crop(size: int | tuple[int, int]) -> Transform:
  """Cuts the central (height, width) out of `image`; an int is a square.

  Of all frames of a clip (t, h, w, c) alike.
  """
  height, width = (size, size) if isinstance(size, int) else size
  check_size_given("centre_crop", (height, width))

  def apply(example: Example, rng: np.random.Generator | None) -> Example:
    del rng
    check_alone(example, "centre_crop", ("target", "masks", "boxes"))
    image = decoded(example, "centre_crop", clips=True)
    *_, h, w, _ = image.shape
    if h < height or w < width:
      raise DataError(
        f"centre_crop: {name_of(example)} is {h}x{w}; expected at least "
        f"{height}x{width}. Put resize({max(height, width)}) before it."
      )
    top, left = (h - height + 1) // 2, (w - width + 1) // 2
    window = (slice(top, top + height), slice(left, left + width))
    return example | {"image": image[..., *window, :]}

  return apply


@transform
def resize_centre_crop(
  short: int, size: int, method: str = "bilinear"
) -> Transform:
  """The central square of `image` resized to a short side of `short` pixels.

  Gives the pixels of `resize(short)` and then `centre_crop(size)`, but makes no
  others: a strip of 1 x 8000 does not become 224 x 1,792,000 on the way.

  Args:
    short: short side of the whole image, in pixels of the result.
    size: side of the square, `short` at most.
    method: "bilinear" or "bicubic".
  """
  check_size_given("resize_centre_crop", (short, size))
  if size > short:
    raise DataError(
      f"resize_centre_crop: got size {size} of a short side of {short}; "
      "expected a square that fits."
    )

  def apply(example: Example, rng: np.random.Generator | None) -> Example:
    del rng
    check_alone(example, "resize_centre_crop", ("target", "masks", "boxes"))
    image = decoded(example, "resize_centre_crop")
    whole = short_side(image, short)
    middle = [(n - size + 1) // 2 for n in whole]
    y, x = (old / new for old, new in zip(image.shape[:2], whole, strict=True))
    part = (middle[0] * y, middle[1] * x, size * y, size * x)
    return example | {"image": resize_part(image, part, (size, size), method)}

  return apply


@transform
def random_resized_crop(
  size: int | tuple[int, int],
  scale: tuple[float, float] = (0.08, 1.0),
  ratio: tuple[float, float] = (3 / 4, 4 / 3),
  channels: int = 3,
  bits: int = 8,
  bands: Sequence[int] = (),
) -> Transform:
  """Resizes a random part of `image` to (height, width); an int is a square.

  The part's share of the area is uniform in `scale`, the logarithm of its
  width / height uniform in the logarithms of `ratio`
  (https://arxiv.org/abs/1409.4842). Takes encoded or decoded images, which get
  `channels`, `bits` and `bands` as by `decode`. A JPEG
  whose part is at least twice the size wanted is decoded at a reduced scale,
  which costs less and shrinks by an antialiasing mean.
  """
  height, width = (size, size) if isinstance(size, int) else size
  check_size_given("random_resized_crop", (height, width))
  check_channels(channels, bands)
  check_bits(bits)
  log_deep = log_once(DEEP)

  def apply(example: Example, rng: np.random.Generator | None) -> Example:
    check_alone(example, "random_resized_crop", ("target", "masks", "boxes"))
    if rng is None:
      raise DataError(
        "random_resized_crop: is random, so it belongs in the Loader's "
        "transforms; expected a deterministic one in InMemory."
      )
    data = example["image"]
    whole = _size_without_decoding(data)
    if whole is None:
      if bits == 8 and is_deep(data):
        log_deep(example)
      data = to_array(example, channels, bits, bands)
      whole = data.shape[:2]
    top, left, h, w = random_part(rng, whole, scale, ratio)
    if isinstance(data, bytes):
      shrink = min(h / height, w / width)
      least = tuple(math.ceil(x / shrink) for x in whole) if shrink >= 2 else ()
      data = decode_image(
        data, channels, name_of(example), least or (0, 0), bits, bands
      )
    y, x = data.shape[0] / whole[0], data.shape[1] / whole[1]
    rows = slice(round(top * y), max(round((top + h) * y), round(top * y) + 1))
    cols = slice(
      round(left * x), max(round((left + w) * x), round(left * x) + 1)
    )
    part = resize_image(data[rows, cols], (height, width), "fast")
    return example | {"image": part}

  return apply


def random_part(
  rng: np.random.Generator,
  whole: tuple[int, int],
  scale: tuple[float, float],
  ratio: tuple[float, float],
) -> tuple[int, int, int, int]:
  """Draws (top, left, height, width) of a part of an image (height, width).

  After ten draws that do not fit it is the largest central part whose ratio
  is allowed.
  """
  height, width = whole
  for _ in range(10):
    area = height * width * rng.uniform(*scale)
    aspect = math.exp(rng.uniform(math.log(ratio[0]), math.log(ratio[1])))
    w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
    if 0 < w <= width and 0 < h <= height:
      top = int(rng.integers(height - h + 1))
      left = int(rng.integers(width - w + 1))
      return top, left, h, w
  aspect = min(max(width / height, ratio[0]), ratio[1])
  w, h = min(width, round(height * aspect)), min(height, round(width / aspect))
  return (height - h) // 2, (width - w) // 2, h, w


def _size_without_decoding(image: bytes | np.ndarray) -> tuple[int, int] | None:
  """Returns (height, width) of an upright JPEG, else None."""
  if not isinstance(image, bytes):
    return None
  size = jpeg_size(image)
  return size if size and orientation(image) == 1 else None
