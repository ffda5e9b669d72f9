"""Scenes of coloured shapes with captions: "a red circle above a blue square".

A caption follows from its scene: it begins with the upper shape, the left one
or the one inside, and two shapes of a scene differ in colour.
"""

from collections.abc import Sequence

import numpy as np

from vision_jax.data.errors import DataError, some
from vision_jax.data.order import check_seed
from vision_jax.data.pickled import AsMade
from vision_jax.data.source import Example, short_hash
from vision_jax.data.text.letters import encoded

COLOURS = {
  "red": (215, 45, 45),
  "green": (45, 165, 60),
  "blue": (45, 75, 220),
  "yellow": (230, 205, 50),
  "purple": (150, 55, 180),
  "white": (235, 235, 235),
}
SHAPES = ("circle", "square", "triangle", "cross")
PLACES = ("above", "inside", "left of")
KINDS = tuple(f"{c} {s}" for c in COLOURS for s in SHAPES)
WORDS = ("a", *COLOURS, *SHAPES, "above", "inside", "left", "of")
LENGTH = 8  # words of the longest caption
_ROOM = 48  # letters of a text, at least those of the longest
_SPLITS = {"train": 0, "val": 1, "test": 2}
_VERSION = 1  # of the drawing, part of the fingerprint


class CaptionedScenes(AsMade):
  """Scenes of one or two shapes; example i is pure in (seed, split, i).

  An example has `image` (size size 3) uint8, `text` (48,) int32, the code
  points of its caption with zeros behind, and `label`, the kind of the shape
  that the caption begins with: a place in KINDS.

  Args:
    split: "train", "val" or "test".
    length: number of scenes.
    size: height and width, in pixels.
    lone: share of the scenes that have one shape.
    kinds: those that there are, such as "red circle".
    seed: seed of all scenes.
  """

  num_classes = len(KINDS)
  class_names = KINDS

  def __init__(
    self,
    split: str,
    length: int,
    *,
    size: int = 32,
    lone: float = 0.25,
    kinds: Sequence[str] = KINDS,
    seed: int = 0,
  ):
    if split not in _SPLITS or size < 16 or length < 1 or not 0 <= lone <= 1:
      raise DataError(
        f"captioned scenes: got split {split!r}, length {length}, size {size}, "
        f"lone {lone}; expected train, val or test, at least 1 scene and 16 "
        "pixels, and a share from 0 to 1."
      )
    check_seed(seed)
    self.split, self.length, self.size, self.seed = split, length, size, seed
    self.lone, self.kinds = lone, tuple(kinds)
    self._check_kinds()

  def __len__(self) -> int:
    return self.length

  def fingerprint(self) -> str:
    """Returns a hash of what defines the scenes."""
    return short_hash(
      *(_VERSION, self.split, self.length, self.size, self.lone, self.kinds),
      self.seed,
    )

  def read(self, indices: np.ndarray) -> list[Example]:
    """Returns the scenes at `indices`."""
    return [self._scene(int(i)) for i in indices]

  def _check_kinds(self) -> None:
    unknown = [x for x in self.kinds if x not in KINDS]
    colours = {x.split()[0] for x in self.kinds}
    if unknown or len(colours) < (1 if self.lone == 1 else 2):
      raise DataError(
        f"captioned scenes: got the kinds {some(unknown or self.kinds)}; "
        f"expected some of {', '.join(KINDS)}, of two colours or more where "
        "scenes have two shapes."
      )

  def _scene(self, i: int) -> Example:
    rng = np.random.default_rng((self.seed, _SPLITS[self.split], i))
    ground = rng.uniform(40, 110) + rng.normal(0, 8, (self.size, self.size, 3))
    first = self.kinds[rng.integers(len(self.kinds))]
    if rng.random() < self.lone:
      text, placed = f"a {first}", [(first, _lone(rng))]
    else:
      text, placed = self._pair(rng, first)
    for kind, where in placed:
      colour, shape = kind.split()
      inside = _covered(shape, self.size, *where)
      ink = np.array(COLOURS[colour]) + rng.uniform(-15, 15, 3)
      ground[inside] = ink + rng.normal(0, 4, (int(inside.sum()), 3))
    return {
      "name": f"captioned scenes {self.split} [{i}]",
      "image": np.clip(np.round(ground), 0, 255).astype(np.uint8),
      "text": encoded(text, _ROOM),
      "label": np.int32(KINDS.index(first)),
    }

  def _pair(
    self, rng: np.random.Generator, first: str
  ) -> tuple[str, list[tuple[str, "_Where"]]]:
    """Returns the caption of two shapes, and these, the hinder one first."""
    others = [x for x in self.kinds if x.split()[0] != first.split()[0]]
    second = others[rng.integers(len(others))]
    place = PLACES[rng.integers(len(PLACES))]
    one, two = _inside(rng) if place == "inside" else _apart(rng, place)
    return f"a {first} {place} a {second}", [(second, two), (first, one)]


_Where = tuple[float, float, float]  # centre y and x, radius; of the side


def _lone(rng: np.random.Generator) -> _Where:
  y, x = rng.uniform(0.35, 0.65, 2)
  return y, x, rng.uniform(0.15, 0.3)


def _apart(rng: np.random.Generator, place: str) -> list[_Where]:
  """Places two shapes, one in either half of the image."""
  along = rng.uniform([0.22, 0.7], [0.3, 0.78])
  across, radius = rng.uniform(0.35, 0.65, 2), rng.uniform(0.13, 0.2, 2)
  both = (along, across) if place == "above" else (across, along)
  return [*zip(*both, radius, strict=True)]


def _inside(rng: np.random.Generator) -> list[_Where]:
  y, x = rng.uniform(0.46, 0.54, 2)
  dy, dx = rng.uniform(-0.02, 0.02, 2)
  small, large = rng.uniform([0.1, 0.36], [0.14, 0.44])
  return [(y + dy, x + dx, small), (y, x, large)]


def _covered(
  shape: str, size: int, top: float, left: float, radius: float
) -> np.ndarray:
  """Returns the pixels (size, size) of a shape, bool."""
  at = (np.arange(size) + 0.5) / size
  y, x = (at[:, None] - top) / radius, (at[None] - left) / radius
  within = np.maximum(abs(y), abs(x)) <= 1
  if shape == "circle":
    return y**2 + x**2 <= 1
  if shape == "triangle":
    return (abs(x) <= (y + 1) / 1.8) & (y <= 0.8)
  if shape == "cross":
    return within & (np.minimum(abs(y), abs(x)) <= 0.38)
  return within
