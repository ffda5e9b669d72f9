"""What images go through before a net that somebody has published sees them."""

import dataclasses
import math

import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.data.images import resize_part
from vision_jax.data.pickled import transform
from vision_jax.data.source import Example
from vision_jax.data.transforms.base import Transform, check_alone
from vision_jax.data.transforms.image import decoded

METHODS = ("bilinear", "bicubic")
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
  """

  size: tuple[int, ...] = (224, 224)
  resize: int = 256
  interpolation: str = "bilinear"
  mean: tuple[float, ...] = IMAGENET_MEAN
  std: tuple[float, ...] = IMAGENET_STD
  largest: float = 1.0

  def __post_init__(self):
    if self.interpolation not in METHODS:
      raise DataError(
        f"interpolation: got {self.interpolation!r}; expected one of {METHODS}."
      )
    if self.resize and self.resize < min(self.size):
      raise DataError(
        f"resize: got a short side of {self.resize} for images of {self.size}; "
        "expected one that they fit into, or 0."
      )

  def transform(self) -> Transform:
    """Returns what makes a decoded image (h, w, c) one of `size`."""
    return preprocess(self.size, self.resize, self.interpolation)


def as_stored(channels: int) -> Preprocess:
  """Returns what leaves images as they are, of any size, in [0, 1]."""
  return Preprocess((), 0, mean=(0.0,) * channels, std=(1.0,) * channels)


@transform
def preprocess(
  size: tuple[int, ...], resize: int, interpolation: str
) -> Transform:
  """Resizes the short side and cuts out the middle, as torchvision and timm.

  The long side is rounded down, and the middle's corner to the nearest pixel
  (of two the even one), so that the pixels are theirs.

  Args:
    size: (height, width); () leaves images as they are.
    resize: short side; 0 resizes to `size` itself.
    interpolation: "bilinear" or "bicubic".
  """
  height, width = size or (0, 0)

  def apply(example: Example, rng: np.random.Generator | None) -> Example:
    del rng
    if not size:
      return example
    check_alone(example, "preprocess", ("target", "masks", "boxes"))
    image = decoded(example, "preprocess")
    h, w, _ = image.shape
    part = (0.0, 0.0, float(h), float(w))
    if resize:
      rows, columns = _whole(h, w, resize)
      top, left = _corner(rows, height), _corner(columns, width)
      part = (
        top * h / rows,
        left * w / columns,
        height * h / rows,
        width * w / columns,
      )
    return example | {"image": resize_part(image, part, size, interpolation)}

  return apply


def _whole(h: int, w: int, short: int) -> tuple[int, int]:
  """The size of the whole image whose short side is `short`."""
  if h <= w:
    return short, max(math.floor(short * w / h), short)
  return max(math.floor(short * h / w), short), short


def _corner(whole: int, part: int) -> int:
  return round((whole - part) / 2)
