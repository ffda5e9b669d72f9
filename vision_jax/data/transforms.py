"""Host transforms: what makes every example one static shape.

A factory returns `(example, rng) -> example`, pure in both. One that also works
on a stacked batch carries `batched = True`, is deterministic and gets None for
`rng`. Randomness that does not change a shape belongs to the device
(`vision_jax.ops.augment`).
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.data.images import (
  decode_image,
  jpeg_size,
  orientation,
  resize_image,
)
from vision_jax.data.source import Example

Transform = Callable[[Example, np.random.Generator | None], Example]


def decode(channels: int = 3) -> Transform:
  """Decodes `image` to (h w channels) uint8, upright.

  Raises:
    BadImage: naming the file, if it is no whole image.
  """

  def apply(example: Example, rng: np.random.Generator | None) -> Example:
    del rng
    return example | {"image": _array(example, channels)}

  return apply


def resize(size: int | tuple[int, int], method: str = "bilinear") -> Transform:
  """Resizes `image`: an int is the short side, a pair is (height, width).

  `method` is "bilinear" or "bicubic" with Pillow's antialiasing, or "fast".
  """
  if method not in ("bilinear", "bicubic", "fast"):
    raise DataError(
      f"resize: got method {method!r}; expected bilinear, bicubic or fast."
    )

  def apply(example: Example, rng: np.random.Generator | None) -> Example:
    del rng
    _check_alone(example, "resize", ("target", "masks"))
    image = _decoded(example, "resize")
    target = _short_side(image, size) if isinstance(size, int) else size
    return example | {"image": resize_image(image, tuple(target), method)}

  return apply


def centre_crop(size: int | tuple[int, int]) -> Transform:
  """Cuts the central (height, width) out of `image`; an int is a square."""
  height, width = (size, size) if isinstance(size, int) else size

  def apply(example: Example, rng: np.random.Generator | None) -> Example:
    del rng
    _check_alone(example, "centre_crop", ("target", "masks", "boxes"))
    image = _decoded(example, "centre_crop")
    h, w, _ = image.shape
    if h < height or w < width:
      raise DataError(
        f"centre_crop: {_name(example)} is {h}x{w}; expected at least "
        f"{height}x{width}. Put resize({max(height, width)}) before it."
      )
    top, left = (h - height + 1) // 2, (w - width + 1) // 2
    return example | {"image": image[top : top + height, left : left + width]}

  return apply


def random_resized_crop(
  size: int | tuple[int, int],
  scale: tuple[float, float] = (0.08, 1.0),
  ratio: tuple[float, float] = (3 / 4, 4 / 3),
  channels: int = 3,
) -> Transform:
  """Resizes a random part of `image` to (height, width); an int is a square.

  The part's share of the area is uniform in `scale`, the logarithm of its
  width / height uniform in the logarithms of `ratio`
  (https://arxiv.org/abs/1409.4842). Takes encoded or decoded images. A JPEG
  whose part is at least twice the size wanted is decoded at a reduced scale,
  which costs less and shrinks by an antialiasing mean.
  """
  height, width = (size, size) if isinstance(size, int) else size

  def apply(example: Example, rng: np.random.Generator | None) -> Example:
    _check_alone(example, "random_resized_crop", ("target", "masks", "boxes"))
    if rng is None:
      raise DataError(
        "random_resized_crop: is random, so it belongs in the Loader's "
        "transforms; expected a deterministic one in InMemory."
      )
    data = example["image"]
    whole = _size_without_decoding(data)
    if whole is None:
      data = _array(example, channels)
      whole = data.shape[:2]
    top, left, h, w = random_part(rng, whole, scale, ratio)
    if isinstance(data, bytes):
      shrink = min(h / height, w / width)
      least = tuple(math.ceil(x / shrink) for x in whole) if shrink >= 2 else ()
      data = decode_image(data, channels, _name(example), least or (0, 0))
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


def normalize(mean: Sequence[float], std: Sequence[float]) -> Transform:
  """Makes `image` float32, (image - mean) / std; batched.

  `mean` and `std` are per channel, of pixels in [0,1]; uint8 is divided by 255
  first, floats are taken as they are.
  """
  mean, std = (np.asarray(x, np.float32).reshape(-1) for x in (mean, std))
  if mean.shape != std.shape or (std <= 0).any():
    raise DataError(
      f"normalize: got mean {mean} and std {std}; expected as many of both, "
      "and a positive std."
    )

  def apply(example: Example, rng: np.random.Generator | None) -> Example:
    del rng
    image = _decoded(example, "normalize")
    if len(mean) not in (1, image.shape[-1]):
      raise DataError(
        f"normalize: {_name(example)} has {image.shape[-1]} channels; expected "
        f"{len(mean)}, as mean and std. Check decode(channels=...)."
      )
    one = np.float32(255 if image.dtype == np.uint8 else 1)
    out = np.multiply(image, 1 / (one * std), dtype=np.float32)
    out -= mean / std
    return example | {"image": out}

  apply.batched = True
  return apply


def to_float() -> Transform:
  """Makes `image` float32 in [0,1]; batched."""
  return normalize([0.0], [1.0])


def _array(example: Example, channels: int) -> np.ndarray:
  """Returns the image decoded, with the number of channels checked."""
  image = example["image"]
  if isinstance(image, bytes):
    return decode_image(image, channels, _name(example))
  if image.ndim != 3 or image.shape[-1] != channels:
    raise DataError(
      f"decode: {_name(example)} is an array of shape {image.shape}; expected "
      f"(h, w, {channels}). Check channels."
    )
  return image


def _decoded(example: Example, what: str) -> np.ndarray:
  image = example["image"]
  if isinstance(image, bytes):
    raise DataError(
      f"{what}: {_name(example)} is still encoded; expected an array. Put "
      "decode() before it."
    )
  return image


def _size_without_decoding(image: bytes | np.ndarray) -> tuple[int, int] | None:
  """Returns (height, width) of an upright JPEG, else None."""
  if not isinstance(image, bytes):
    return None
  size = jpeg_size(image)
  return size if size and orientation(image) == 1 else None


def _short_side(image: np.ndarray, size: int) -> tuple[int, int]:
  h, w, _ = image.shape
  return (size, round(w * size / h)) if h <= w else (round(h * size / w), size)


def _check_alone(example: Example, what: str, keys: Sequence[str]) -> None:
  """Checks that nothing would be left behind where the image moves."""
  left = [key for key in keys if key in example]
  if left:
    raise DataError(
      f"{what}: {_name(example)} also has {', '.join(left)}, which would not "
      "follow the image; expected an image alone."
    )


def _name(example: Example) -> str:
  return example.get("name", "an image")
