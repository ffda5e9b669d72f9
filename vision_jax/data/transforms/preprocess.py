"""What images go through before a net that somebody has published sees them."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.data.images import resize_image, resize_part
from vision_jax.data.pickled import transform
from vision_jax.data.source import Example
from vision_jax.data.transforms.base import Transform, check_alone
from vision_jax.data.transforms.image import decoded

METHODS = ("bilinear", "bicubic")
_LONG = 8  # times a net's image: of longer ones only the middle is made
MIDDLES = ("rounded", "floored", "squeezed")
Size = tuple[int, int]
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclasses.dataclass(frozen=True)
class Preprocess:
  """Resolution, crop, interpolation and colours, as published with weights.

  Attributes:
    size: (height, width) of the net's images; () leaves each at its own.
    resize: short side in pixels that an image is resized to before the middle
      is cut out; 0 resizes it to `size`, whatever its proportions.
    interpolation: "bilinear" or "bicubic", with Pillow's antialiasing.
    mean: of each channel, red first, or one for all, of pixels in [0,
      `largest`]. A net that wants blue first has its filters turned by its
      rules.
    std: standard deviation of each channel, likewise.
    largest: what white is as the net sees it, before mean and std: 1, or 255.
    middle: of an odd margin, which the middle's corner halves: "rounded" to the
      even pixel, as torchvision and timm have it; "floored", as Hugging Face;
      "squeezed", likewise, of an image whose sides both become `resize`.
  """

  size: tuple[int, ...] = (224, 224)
  resize: int = 256
  interpolation: str = "bilinear"
  mean: tuple[float, ...] = IMAGENET_MEAN
  std: tuple[float, ...] = IMAGENET_STD
  largest: float = 1.0
  middle: str = "rounded"

  def __post_init__(self):
    for name, known in (("interpolation", METHODS), ("middle", MIDDLES)):
      if getattr(self, name) not in known:
        raise DataError(
          f"{name}: got {getattr(self, name)!r}; expected one of {known}."
        )
    if self.size and not _is_size(self.size):
      raise DataError(
        f"preprocess.size: got {self.size}; expected (height, width) in pixels."
      )
    if self.resize and self.size and self.resize < min(self.size):
      raise DataError(
        f"resize: got a short side of {self.resize} for images of {self.size}; "
        "expected one that they fit into, or 0."
      )

  @property
  def colours(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of pixels in [0, 1]."""
    return (
      tuple(x / self.largest for x in self.mean),
      tuple(x / self.largest for x in self.std),
    )

  def margin(self, size: Sequence[int]) -> int:
    """Returns `resize` for images of another size: as much around them."""
    if not (self.size and size):
      return self.resize
    return self.resize * min(size) // min(self.size)

  def transform(self) -> Transform:
    """Returns what makes a decoded image (h, w, c) one of `size`."""
    return preprocess(self.size, self.resize, self.interpolation, self.middle)


def _is_size(size: object) -> bool:
  return (
    isinstance(size, Sequence)
    and len(size) == 2
    and all(isinstance(n, int) and n > 0 for n in size)
  )


def as_stored(channels: int) -> Preprocess:
  """Returns what leaves images as they are, of any size, in [0, 1]."""
  return Preprocess((), 0, mean=(0.0,) * channels, std=(1.0,) * channels)


@transform
def preprocess(
  size: tuple[int, ...],
  resize: int,
  interpolation: str,
  middle: str = "rounded",
) -> Transform:
  """Resizes the short side and cuts out the middle, as torchvision and timm.

  The long side is rounded down, and the middle's corner as `middle` says, so
  that the pixels are theirs. Where a size that is no square does not fit into
  an image, the image is resized until it does.

  Args:
    size: (height, width); () leaves images as they are.
    resize: short side; 0 resizes to `size` itself.
    interpolation: "bilinear" or "bicubic".
    middle: "rounded", "floored" or "squeezed", see `Preprocess`.
  """

  def apply(example: Example, rng: np.random.Generator | None) -> Example:
    del rng
    if not size:
      return example
    check_alone(example, "preprocess", ("target", "masks", "boxes"))
    image = decoded(example, "preprocess")
    if not resize:
      return example | {"image": resize_image(image, size, interpolation)}
    h, w, _ = image.shape
    whole = (resize, resize) if middle == "squeezed" else _whole(h, w, resize)
    cut = _part if math.prod(whole) > _LONG * math.prod(size) else _cut
    found = cut(image, _holding(whole, size), size, middle, interpolation)
    return example | {"image": found}

  return apply


def _whole(h: int, w: int, short: int) -> tuple[int, int]:
  """The size of the whole image whose short side is `short`."""
  if h <= w:
    return short, max(math.floor(short * w / h), short)
  return max(math.floor(short * h / w), short), short


def _holding(whole: Size, size: Size) -> Size:
  """The whole's size, enlarged where `size` does not fit into it."""
  grow = max(1.0, *(a / b for a, b in zip(size, whole, strict=True)))
  rows, columns = (
    max(a, round(b * grow)) for a, b in zip(size, whole, strict=True)
  )
  return rows, columns


def _cut(
  image: np.ndarray, whole: Size, size: Size, middle: str, method: str
) -> np.ndarray:
  """Cuts out of the whole: Pillow rounds its parts otherwise."""
  top, left = _corner(whole, size, middle)
  resized = resize_image(image, whole, method)
  return resized[top : top + size[0], left : left + size[1]]


def _part(
  image: np.ndarray, whole: Size, size: Size, middle: str, method: str
) -> np.ndarray:
  """The same of an image that is much longer, without the rest of it."""
  scales = [a / b for a, b in zip(image.shape, whole, strict=False)]
  corner = _corner(whole, size, middle)
  top, left, height, width = (
    x * s for x, s in zip((*corner, *size), (*scales, *scales), strict=True)
  )
  return resize_part(image, (top, left, height, width), size, method)


def _corner(whole: Size, size: Size, middle: str) -> tuple[int, int]:
  half = round if middle == "rounded" else math.floor
  top, left = (half((a - b) / 2) for a, b in zip(whole, size, strict=True))
  return top, left
