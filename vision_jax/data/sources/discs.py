"""Generated discs that touch: images of single objects, with exact truth."""

import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.data.order import check_seed
from vision_jax.data.pickled import AsMade
from vision_jax.data.source import Example, short_hash

SPLITS = ("train", "val", "test")
_VERSION = 1  # of the drawing, part of the fingerprint
_EMPTY = 0.05  # share of the images without a disc
_SHARED = 0.25  # of a disc that may lie over others


class Discs(AsMade):
  """Bright ellipses on a dark ground; example i is pure in (seed, split, i).

  They touch, and lie over each other a little, the later ones on top; some are
  cut by the border, and some images have none. An example has `image`
  (size size 1) uint8 and `instances` (size size) int32, 0 the ground.

  Args:
    split: "train", "val" or "test".
    length: number of images.
    size: height and width, in pixels.
    most: discs in an image, at most.
    seed: seed of all images.
  """

  def __init__(
    self,
    split: str,
    length: int,
    *,
    size: int = 64,
    most: int = 12,
    seed: int = 0,
  ):
    if split not in SPLITS:
      raise DataError(f"discs: got split {split!r}; expected {SPLITS}.")
    if size < 16 or most < 1 or length < 1:
      raise DataError(
        f"discs: got size {size}, most {most} and length {length}; expected a "
        "size of at least 16, and at least 1 of the others."
      )
    check_seed(seed)
    self.split, self.length, self.size = split, length, size
    self.most, self.seed = most, seed

  def __len__(self) -> int:
    return self.length

  def fingerprint(self) -> str:
    """Returns a hash of what defines the images."""
    what = (self.split, self.length, self.size, self.most, self.seed)
    return short_hash(_VERSION, *what)

  def read(self, indices: np.ndarray) -> list[Example]:
    """Returns the images at `indices`."""
    return [self._image(int(i)) for i in indices]

  def _image(self, i: int) -> Example:
    rng = np.random.default_rng((self.seed, SPLITS.index(self.split), i))
    instances = np.zeros((self.size, self.size), np.int32)
    light = np.full(instances.shape, rng.uniform(5, 30))
    number = 0 if rng.random() < _EMPTY else rng.integers(1, self.most + 1)
    for name in range(1, number + 1):
      inside = _ellipse(rng, self.size)
      if (instances[inside] > 0).mean() <= _SHARED:
        instances[inside] = name
        light[inside] = rng.uniform(80, 220)
    light += rng.normal(0, 6, light.shape)
    return {
      "name": f"discs {self.split} [{i}]",
      "image": np.clip(np.round(light), 0, 255).astype(np.uint8)[..., None],
      "instances": instances,
    }


def _ellipse(rng: np.random.Generator, size: int) -> np.ndarray:
  """Draws which pixels (size size) lie in an ellipse, at least one."""
  y, x = np.indices((size, size))
  centre = rng.uniform(0, size - 1, 2)
  axes = rng.uniform(4, max(size / 7, 5), 2)
  turn = rng.uniform(0, np.pi)
  sin, cos = np.sin(turn), np.cos(turn)
  away = y - centre[0], x - centre[1]
  along, across = cos * away[0] + sin * away[1], cos * away[1] - sin * away[0]
  return (along / axes[0]) ** 2 + (across / axes[1]) ** 2 <= 1
