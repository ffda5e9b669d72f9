"""Generated discs that touch: images of single objects, with exact truth."""

import numpy as np

from vision_jax.data.source import Example
from vision_jax.data.sources.drawn import Drawn

_EMPTY = 0.05  # share of the images without a disc
_SHARED = 0.25  # of a disc that may lie over others


class Discs(Drawn):
  """Bright ellipses on a dark ground; example i is pure in (seed, split, i).

  They touch, and lie over each other a little, the later ones on top; some are
  cut by the border, and some images have none. An example has `image`
  (size size 1) uint8 and `instances` (size size) int32, 0 the ground.

  Args:
    split, length, size, seed: as of `Drawn`.
    most: discs in an image, at most.
  """

  objects = "discs"
  least = 16

  def __init__(self, split: str, length: int, *, most: int = 12, **given: int):
    super().__init__(split, length, most=most, **given)

  def _image(self, rng: np.random.Generator, name: str) -> Example:
    instances = np.zeros((self.size, self.size), np.int32)
    light = np.full(instances.shape, rng.uniform(5, 30))
    number = 0 if rng.random() < _EMPTY else rng.integers(1, self.most + 1)
    for which in range(1, number + 1):
      inside = _ellipse(rng, self.size)
      if (instances[inside] > 0).mean() <= _SHARED:
        instances[inside] = which
        light[inside] = rng.uniform(80, 220)
    light += rng.normal(0, 6, light.shape)
    return {
      "name": name,
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
