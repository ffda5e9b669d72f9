"""Generated clouds over varied ground: tiles with masks, and cut-outs.

Clouds are fractal noise above a threshold that their cover gives, thin or
thick; the ground is water, wood, fields, towns, sand, snow or ice, of which the
last three are as bright as clouds are, and clouds throw shadows on it.
"""

from typing import NamedTuple

import cv2
import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.data.order import check_seed
from vision_jax.data.pickled import AsMade
from vision_jax.data.source import Example, short_hash

CLASS_NAMES = ("clear", "cloudy")
CLEAR_COVER, CLOUDY_COVER = 0.1, 0.5  # of a cut-out: at most, at least
_SPLITS = {"train": 0, "val": 1, "test": 2}
_VERSION = 1  # of the drawing, part of the fingerprint
_THINNEST = 0.2  # opacity from which on a pixel is cloudy


class _Ground(NamedTuple):
  """How a kind of ground looks.

  Attributes:
    colour: its mean, RGB in 0..255.
    contrast: deviation of its brightness.
    cell: side of its largest patches, in pixels.
    fall: what each octave's deviation is of the one before; 1 is rough.
    ridged: whether patches meet in sharp lines.
  """

  colour: tuple[int, int, int]
  contrast: float
  cell: int
  fall: float
  ridged: bool = False


_GROUNDS = (
  _Ground((25, 45, 80), 5, 48, 0.5),  # water
  _Ground((45, 70, 40), 16, 16, 0.9),  # wood
  _Ground((120, 110, 70), 30, 24, 0.7, True),  # fields
  _Ground((130, 125, 120), 34, 6, 1.0),  # a town
  _Ground((205, 180, 140), 20, 40, 0.6, True),  # sand
  _Ground((225, 228, 232), 26, 40, 0.8, True),  # snow, with rock
  _Ground((210, 225, 235), 14, 24, 0.6),  # ice
)


class _Clouds(AsMade):
  """What cut-outs and tiles have in common: example i is pure in (seed, ...).

  An example has `image` (size size 3) uint8 and `target` (size size) uint8, 1
  where a cloud takes 20 % of the light at least; cut-outs have a `label` too.
  """

  kind = 0
  least = 8  # pixels of a side
  num_classes = len(CLASS_NAMES)
  class_names = CLASS_NAMES

  def __init__(self, split: str, length: int, *, size: int, seed: int = 0):
    if split not in _SPLITS or size < self.least or length < 1:
      raise DataError(
        f"clouds: got split {split!r}, length {length}, size {size}; expected "
        f"train, val or test, at least 1 example and {self.least} pixels."
      )
    check_seed(seed)
    self.split, self.length, self.size, self.seed = split, length, size, seed

  def __len__(self) -> int:
    return self.length

  def fingerprint(self) -> str:
    """Returns a hash of what defines the examples."""
    return short_hash(
      *(_VERSION, self.kind, self.split, self.length, self.size, self.seed)
    )

  def read(self, indices: np.ndarray) -> list[Example]:
    """Returns the examples at `indices`."""
    return [self._example(int(i)) for i in indices]

  def _example(self, i: int) -> Example:
    which = (self.seed, _SPLITS[self.split], self.kind, i)
    rng = np.random.default_rng(which)
    found = _drawn(rng, self.size, self._cover(rng, i))
    return {"name": f"clouds {self.split} [{i}]"} | found | self._label(i)

  def _cover(self, rng: np.random.Generator, i: int) -> float:
    del i
    return float(rng.beta(1.1, 1.4))

  def _label(self, i: int) -> Example:
    del i
    return {}


class CloudTiles(_Clouds):
  """Tiles with every cover from none to all; see `_Clouds`.

  Args:
    split: "train", "val" or "test", which share no tile.
    length: number of tiles.
    size: height and width, in pixels.
    seed: seed of all tiles.
  """

  kind = 1

  def __init__(
    self, split: str, length: int, *, size: int = 256, seed: int = 0
  ):
    super().__init__(split, length, size=size, seed=seed)


class CloudCutouts(_Clouds):
  """Small images that are clear (label 0) or cloudy (1), in turns.

  Of a clear one clouds cover a tenth at most, of a cloudy one half at least, as
  in sets that people have sorted. They are cut out of no tile.

  Args:
    split: "train", "val" or "test".
    length: number of images.
    size: height and width, in pixels.
    seed: seed of all images.
  """

  def __init__(self, split: str, length: int, *, size: int = 64, seed: int = 0):
    super().__init__(split, length, size=size, seed=seed)

  def labels(self) -> np.ndarray:
    """Returns all labels, (n,) int32."""
    return np.arange(self.length, dtype=np.int32) % 2

  def _cover(self, rng: np.random.Generator, i: int) -> float:
    if i % 2:
      return min(float(rng.uniform(CLOUDY_COVER, 1.3)), 1.0)
    return max(float(rng.uniform(-CLEAR_COVER, CLEAR_COVER)), 0.0)

  def _label(self, i: int) -> Example:
    return {"label": np.int32(i % 2)}


def _drawn(rng: np.random.Generator, size: int, cover: float) -> Example:
  """Draws an image, and its mask of clouds that cover a part of it."""
  ground = _ground(rng, size)
  thickness, target = _thickness(rng, size, cover)
  opacity = 1 - (1 - _THINNEST) * np.exp(-thickness)
  opacity = np.clip(opacity, 0, 1)[..., None]
  rows, columns = (
    np.clip(np.arange(size) + shift, 0, size - 1)
    for shift in rng.integers(-10, 11, 2)
  )
  shadow = opacity[rows[:, None], columns] * rng.uniform(0.1, 0.45)
  white = rng.uniform(215, 250) + _noise(rng, size, 24, 0.5)[..., None] * 9
  image = ground * (1 - shadow) * (1 - opacity) + white * opacity
  image = image * rng.uniform(0.8, 1.05)
  image += rng.normal(0, rng.uniform(2, 6), image.shape)
  pixels = np.clip(np.round(image), 0, 255).astype(np.uint8)
  return {"image": pixels, "target": target}


def _thickness(
  rng: np.random.Generator, size: int, cover: float
) -> tuple[np.ndarray, np.ndarray]:
  """Returns optical thickness beyond a cloud's edge, and the mask (h w)."""
  field = _noise(rng, size, int(rng.integers(24, 100)), rng.uniform(0.45, 0.65))
  slope = np.exp(rng.uniform(np.log(0.4), np.log(5)))  # thin to thick
  edge = np.quantile(field, 1 - cover)
  if cover in (0, 1):  # and well beyond: nothing is near an edge
    edge += rng.exponential() * (1 if cover == 0 else -1)
  inside = field > edge if cover else np.zeros(field.shape, bool)
  return slope * (field - edge), inside.astype(np.uint8)


def _ground(rng: np.random.Generator, size: int) -> np.ndarray:
  """Draws two kinds of ground that meet along a line, (h w 3) float."""
  first, second = (
    _of_kind(rng, size, _GROUNDS[k])
    for k in rng.integers(len(_GROUNDS), size=2)
  )
  where = _noise(rng, size, 100, 0.5) > rng.normal(0, 1)
  return np.where(where[..., None], first, second)


def _of_kind(
  rng: np.random.Generator, size: int, ground: _Ground
) -> np.ndarray:
  """Draws a kind of ground, (h w 3)."""
  light = _noise(rng, size, ground.cell, ground.fall)
  if ground.ridged:
    light = 1 - 1.6 * np.abs(light)
  colour = np.array(ground.colour) + rng.normal(0, 8, 3)
  tint = rng.normal(1, 0.06, 3)
  return colour + ground.contrast * light[..., None] * tint


def _noise(
  rng: np.random.Generator, size: int, cell: float, fall: float
) -> np.ndarray:
  """Fractal noise (size size), of about mean 0 and deviation 1.

  Octaves of cells of `cell` pixels, a half, a quarter ..., down to 2; the same
  at any size.
  """
  total, square, gain = np.zeros((size, size)), 0.0, 1.0
  while cell >= 2:
    cells = int(np.ceil(size / cell)) + 2
    side = int(np.ceil(cells * cell))
    grid = rng.standard_normal((cells, cells))
    large = cv2.resize(grid, (side, side), interpolation=cv2.INTER_CUBIC)
    top, left = rng.integers(side - size + 1, size=2)
    total += gain * large[top : top + size, left : left + size]
    square += gain**2
    gain, cell = gain * fall, cell / 2
  return total / (0.75 * np.sqrt(square))
