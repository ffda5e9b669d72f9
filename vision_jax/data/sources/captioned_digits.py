"""Scenes of two coloured digits with captions: "a red 3 left of a blue 7".

Each scene can be told in two ways: "a blue 7 right of a red 3" is the same. A
tenth of all scenes by what they show, so many captions, is in no scene to train
on, and test has nothing else.
"""

import functools

import cv2
import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.data.order import check_seed
from vision_jax.data.pickled import AsMade, Lock
from vision_jax.data.source import Example, short_hash
from vision_jax.data.sources.digits import CLASS_NAMES, Digits
from vision_jax.data.text.letters import encoded

COLOURS = {
  "red": (225, 55, 55),
  "green": (55, 185, 70),
  "blue": (70, 95, 235),
  "yellow": (235, 215, 60),
}
# What is in one half of a scene; kind k is of colour k // 10 and digit k % 10.
KINDS = tuple(f"{c} {d}" for c in COLOURS for d in CLASS_NAMES)
WORDS = ("a", *COLOURS, *CLASS_NAMES, "left", "right", "of")
LENGTH = 8  # words of each caption
SIZE = 16  # height of a scene, and width of each of its halves
SIDES = (11, 15)  # least and most, of the square that a digit is enlarged to
_ROOM = 32  # letters of a text, at least those of the longest
_HELD = 10  # one of so many pairs of kinds is only in test
_SPLITS = {"train": 0, "test": 1}
_VERSION = 1  # of the drawing, part of the fingerprint


class CaptionedDigits(AsMade):
  """Scenes of two digits; example i is pure in (seed, split, i).

  An example has `image` (16 32 3) uint8, `text` (32,) int32, the code points of
  its caption with zeros behind, and `kinds` (2,) int32, the left and the right
  digit with its colour, places in KINDS. Train and test draw from disjoint
  digits, and show disjoint pairs of kinds.

  Args:
    split: "train" or "test".
    length: number of scenes.
    seed: seed of all scenes.

  Raises:
    DataError: for another split, or no scene.
  """

  def __init__(self, split: str, length: int, *, seed: int = 0):
    if split not in _SPLITS or length < 1:
      raise DataError(
        f"captioned digits: got split {split!r} and length {length}; expected "
        "train or test, and at least 1 scene."
      )
    check_seed(seed)
    self.split, self.length, self.seed = split, length, seed
    self._lock = Lock()

  def __len__(self) -> int:
    return self.length

  def fingerprint(self) -> str:
    """Returns a hash of what defines the scenes."""
    return short_hash(_VERSION, self.split, self.length, self.seed)

  def read(self, indices: np.ndarray) -> list[Example]:
    """Returns the scenes at `indices`."""
    return [self._scene(int(i)) for i in indices]

  @property
  def _digits(self) -> list[np.ndarray]:
    with self._lock:  # read once, by whichever thread is first
      return self._of_class

  @functools.cached_property
  def _of_class(self) -> list[np.ndarray]:
    """The digits (n 8 8) of each class."""
    arrays = Digits(self.split).arrays
    images, label = arrays["image"][..., 0], arrays["label"]
    return [images[label == k] for k in range(len(CLASS_NAMES))]

  def _scene(self, i: int) -> Example:
    rng = np.random.default_rng((self.seed, _SPLITS[self.split], i))
    pairs = _pairs(self.split)
    kinds = np.divmod(pairs[rng.integers(len(pairs))], len(KINDS))
    image = np.full((SIZE, 2 * SIZE, 3), rng.uniform(10, 50))
    for kind, half in zip(kinds, np.split(image, 2, axis=1), strict=True):
      self._draw(rng, kind, half)
    left, right = (KINDS[kind] for kind in kinds)
    words = (
      (left, "left", right) if rng.random() < 0.5 else (right, "right", left)
    )
    return {
      "name": f"captioned digits {self.split} [{i}]",
      "image": np.round(image).astype(np.uint8),
      "text": encoded("a {} {} of a {}".format(*words), _ROOM),
      "kinds": np.array(kinds, np.int32),
    }

  def _draw(self, rng: np.random.Generator, kind: int, half: np.ndarray):
    """Draws a digit of a kind into a half of a scene, in place."""
    colour, digit = divmod(kind, len(CLASS_NAMES))
    digits = self._digits[digit]
    side = int(rng.integers(SIDES[0], SIDES[1] + 1))
    top, left = rng.integers(SIZE - side + 1, size=2)
    ink = cv2.resize(digits[rng.integers(len(digits))], (side, side)) / 255
    paint = [*COLOURS.values()][colour] + rng.uniform(-15, 15, 3)
    where = half[top : top + side, left : left + side]
    where += ink[..., None] * (paint - where)


class SceneHalves(AsMade):
  """The halves of scenes, one by one, with the `label` that each shows.

  Args:
    scenes: of which example 2 i is the left half of scene i.
  """

  num_classes = len(KINDS)
  class_names = KINDS

  def __init__(self, scenes: CaptionedDigits):
    self.scenes = scenes

  def __len__(self) -> int:
    return 2 * len(self.scenes)

  def fingerprint(self) -> str:
    """Returns a hash of what defines the scenes."""
    return short_hash("halves", self.scenes.fingerprint())

  def read(self, indices: np.ndarray) -> list[Example]:
    """Returns the halves at `indices`."""
    halves = np.asarray(indices) % 2
    scenes = self.scenes.read(np.asarray(indices) // 2)
    return [
      {
        "name": f"{scene['name']}, half {half}",
        "image": scene["image"][:, SIZE * half : SIZE * (half + 1)],
        "label": scene["kinds"][half],
      }
      for scene, half in zip(scenes, halves, strict=True)
    ]


@functools.cache
def _pairs(split: str) -> np.ndarray:
  """Returns the pairs of kinds of a split, as left * 40 + right."""
  order = np.random.default_rng(0).permutation(len(KINDS) ** 2)
  held = len(order) // _HELD
  return order[:held] if split == "test" else order[held:]
