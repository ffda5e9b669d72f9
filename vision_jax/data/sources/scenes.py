"""Digit scenes: real digits on generated backgrounds, with exact truth."""

import functools
from typing import NamedTuple

import cv2
import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.data.order import check_seed
from vision_jax.data.pickled import AsMade
from vision_jax.data.source import Example, short_hash
from vision_jax.data.sources.digits import CLASS_NAMES, Digits

_SPLITS = {"train": 0, "test": 1}
_VERSION = 1  # of the drawing, part of the fingerprint
_TRIES = 30  # places tried for each digit


class _Placed(NamedTuple):
  label: int
  top: int
  left: int
  ink: np.ndarray  # (h w) in [0,1], 0 outside the digit, tight


class DigitScenes(AsMade):
  """Scenes of handwritten digits; example i is pure in (seed, split, i).

  Each has 1 to `max_objects` digits at random size, place and colour on a
  textured background. Digits never overlap, so boxes and target are exact: a
  pixel belongs to a digit where its ink covers at least half of it, and only
  such pixels are drawn. Train and test draw from disjoint digits.

  An example has `image` (size size 3) uint8, `boxes` (n 4) float32 cxcywh in
  [0,1], `label` (n,) int32 0..9, `box_mask` (n,) float32, all padded with
  zeros to n = max_objects, `target` (size size) uint8: 0 is background, digit
  k is k + 1. Where they are `numbered`, it has `instances` (size size) int32: 0
  is background, the digit at place j of the others is j + 1.

  Args:
    split: "train" or "test".
    length: number of scenes.
    size: height and width, in pixels.
    max_objects: digits in a scene, at most.
    seed: seed of all scenes.
    numbered: whether there is a map of the digits' numbers.
  """

  num_classes = 10
  class_names = CLASS_NAMES

  def __init__(
    self,
    split: str,
    length: int = 2000,
    *,
    size: int = 64,
    max_objects: int = 5,
    seed: int = 0,
    numbered: bool = False,
  ):
    if split not in _SPLITS:
      raise DataError(f"scenes: got split {split!r}; expected train or test.")
    if size < 16 or max_objects < 1 or length < 1:
      raise DataError(
        f"scenes: got size {size}, max_objects {max_objects}, length {length}; "
        "expected a size of at least 16, and at least 1 of the others."
      )
    check_seed(seed)
    self.split, self.length, self.size = split, length, size
    self.max_objects, self.seed = max_objects, seed
    self.numbered = numbered

  @functools.cached_property
  def digits(self) -> dict[str, np.ndarray]:
    """The digits of the split, which are drawn on."""
    return Digits(self.split).arrays

  def __len__(self) -> int:
    return self.length

  def fingerprint(self) -> str:
    """Returns a hash of what defines the scenes."""
    return short_hash(
      *(_VERSION, self.split, self.length, self.size),
      *(self.max_objects, self.seed),
    )

  def read(self, indices: np.ndarray) -> list[Example]:
    """Returns the scenes at `indices`."""
    return [self._scene(int(i)) for i in indices]

  def _scene(self, i: int) -> Example:
    rng = np.random.default_rng((self.seed, _SPLITS[self.split], i))
    image = _background(rng, self.size)
    ground = image.reshape(-1, 3).mean(0)
    target = np.zeros((self.size, self.size), np.uint8)
    instances = np.zeros(target.shape, np.int32)
    placed = self._place(rng)
    for j, digit in enumerate(placed):
      h, w = digit.ink.shape
      where = np.s_[digit.top : digit.top + h, digit.left : digit.left + w]
      ink = digit.ink[..., None]
      image[where] += ink * (_colour(rng, ground) - image[where])
      target[where][digit.ink > 0] = digit.label + 1
      instances[where][digit.ink > 0] = j + 1
    truth = _truth(placed, self.size, self.max_objects)
    name = f"digit scenes {self.split} [{i}]"
    pixels = np.round(image).astype(np.uint8)
    more = {"instances": instances} if self.numbered else {}
    return {"name": name, "image": pixels, "target": target} | more | truth

  def _place(self, rng: np.random.Generator) -> list[_Placed]:
    """Draws digits and places them without overlap."""
    taken = np.zeros((self.size, self.size), bool)
    placed = []
    for _ in range(rng.integers(1, self.max_objects + 1)):
      row = rng.integers(len(self.digits["label"]))
      ink = _ink(self.digits["image"][row, :, :, 0], self._side(rng))
      h, w = ink.shape
      for _ in range(_TRIES):
        top = int(rng.integers(self.size - h + 1))
        left = int(rng.integers(self.size - w + 1))
        if not taken[top : top + h, left : left + w].any():
          taken[top : top + h, left : left + w] = True
          label = int(self.digits["label"][row])
          placed.append(_Placed(label, top, left, ink))
          break
    return placed

  def _side(self, rng: np.random.Generator) -> int:
    return int(rng.integers(max(self.size // 5, 8), self.size // 2 + 1))


def _ink(digit: np.ndarray, side: int) -> np.ndarray:
  """Enlarges a digit (8 8) to `side` and cuts it out, tight."""
  size = (side, side)
  ink = cv2.resize(digit, size, interpolation=cv2.INTER_LINEAR) / 255
  ink[ink < 0.5] = 0
  rows, columns = ink.any(1).nonzero()[0], ink.any(0).nonzero()[0]
  return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _background(rng: np.random.Generator, size: int) -> np.ndarray:
  """Draws a smooth texture with fine noise, (size size 3) in 0..255."""
  cells = int(rng.integers(2, 9))
  coarse = rng.uniform(-40, 40, (cells, cells, 3))
  smooth = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
  noise = rng.normal(0, 8, (size, size, 1))
  return np.clip(rng.uniform(30, 225, 3) + smooth + noise, 0, 255)


def _colour(rng: np.random.Generator, ground: np.ndarray) -> np.ndarray:
  """Draws a colour that differs visibly from the background's mean."""
  for _ in range(100):
    colour = rng.uniform(0, 255, 3)
    if np.abs(colour - ground).mean() > 70:
      break
  return colour


def _truth(placed: list[_Placed], size: int, n: int) -> dict[str, np.ndarray]:
  boxes = np.zeros((n, 4), np.float32)
  label, box_mask = np.zeros(n, np.int32), np.zeros(n, np.float32)
  for j, digit in enumerate(placed):
    h, w = digit.ink.shape
    centre = (digit.left + w / 2, digit.top + h / 2)
    boxes[j] = np.array([*centre, w, h]) / size
    label[j], box_mask[j] = digit.label, 1
  return {"boxes": boxes, "label": label, "box_mask": box_mask}
