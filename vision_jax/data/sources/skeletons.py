"""Skeletons that act: generated, of one action or of one after the other."""

import dataclasses

import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.data.order import check_seed
from vision_jax.data.pickled import AsMade
from vision_jax.data.source import Example, short_hash
from vision_jax.data.sources.poses import ACTIONS, joints

CLASS_NAMES = tuple(ACTIONS)
IGNORE = 255  # of frames that are padding
_SPLITS = {"train": 0, "val": 1, "test": 2}
_VERSION = 1  # of the drawing, part of the fingerprint
_CYCLE = (14, 26)  # frames of a movement
_SEGMENT = (14, 40)  # frames of an action in a sequence
_BLEND = 5  # frames from an action to the next


@dataclasses.dataclass(frozen=True)
class _Skeletons(AsMade):
  """What both have: example i is pure in (seed, split, i).

  Attributes:
    split: "train", "val" or "test".
    length: number of examples.
    frames: of each, t.
    missing: share of joints that were not seen, which are NaN.
    seed: seed of all.
  """

  split: str
  length: int
  frames: int = 32
  missing: float = 0.05
  seed: int = 0

  num_classes = len(CLASS_NAMES)
  class_names = CLASS_NAMES

  def __post_init__(self):
    good = self.split in _SPLITS and self.length > 0 and self.frames > 1
    if not (good and 0 <= self.missing < 1):
      raise DataError(
        f"skeletons: got split {self.split!r}, {self.length} examples, "
        f"{self.frames} frames, {self.missing} of joints missing; expected "
        "train, val or test, at least 1 example and 2 frames, a share below 1."
      )
    check_seed(self.seed)

  def __len__(self) -> int:
    return self.length

  def fingerprint(self) -> str:
    """Returns a hash of what defines the examples."""
    return short_hash(_VERSION, type(self).__name__, dataclasses.astuple(self))

  def read(self, indices: np.ndarray) -> list[Example]:
    """Returns the examples at `indices`."""
    return [self._example(int(i)) for i in indices]

  def _rng(self, i: int) -> np.random.Generator:
    return np.random.default_rng((self.seed, _SPLITS[self.split], i))

  def _seen(self, rng: np.random.Generator, angles: np.ndarray) -> np.ndarray:
    """Returns a body of some size, at some place, as a detector sees it."""
    found = joints(angles)
    if rng.random() < 0.5:
      found[..., 0] *= -1  # seen in a mirror
    found = found * rng.uniform(0.8, 1.2) + rng.uniform(-0.3, 0.3, 2)
    found += rng.normal(0, 0.015, found.shape)
    found[rng.random(found.shape[:2]) < self.missing] = np.nan
    return found.astype(np.float32)


def _movement(rng: np.random.Generator, label: int, frames: int) -> np.ndarray:
  """Returns the angles (t, 10) of an action, in a tempo of its own."""
  cycle, start = rng.uniform(*_CYCLE), rng.uniform(0, 2 * np.pi)
  phase = start + 2 * np.pi * np.arange(frames) / cycle
  angles = ACTIONS[CLASS_NAMES[label]](phase) * rng.uniform(0.85, 1.15)
  return angles + rng.normal(0, 0.04, angles.shape[1:])


class SkeletonActions(_Skeletons):
  """Skeletons of one action each.

  An example has `joints` (t v 2) float32, NaN where one was not seen, and
  `label`, its place in CLASS_NAMES.
  """

  def labels(self) -> np.ndarray:
    """Returns the classes of all examples, (n,)."""
    return np.arange(self.length, dtype=np.int32) % self.num_classes

  def _example(self, i: int) -> Example:
    rng, label = self._rng(i), i % self.num_classes
    return {
      "name": f"skeletons {self.split} [{i}]",
      "joints": self._seen(rng, _movement(rng, label, self.frames)),
      "label": np.int32(label),
    }


class SkeletonSequences(_Skeletons):
  """Skeletons of one action after the other, three quarters of t or more long.

  An example has `joints` (t v 2) float32, NaN where one was not seen and in
  padding; `target` (t,) uint8, the action of each frame, 255 in padding; and
  `frame_mask` (t,) float32, 0 there.
  """

  def _example(self, i: int) -> Example:
    rng = self._rng(i)
    length = int(rng.integers(self.frames - self.frames // 4, self.frames + 1))
    target = _actions(rng, length)
    angles = np.zeros((length, len(ACTIONS), 10))
    for label in np.unique(target):
      angles[:, label] = _movement(rng, label, length)
    weights = _blended(np.eye(len(ACTIONS))[target])
    seen = self._seen(rng, (angles * weights[..., None]).sum(1))
    after = (0, self.frames - length)
    return {
      "name": f"skeleton sequences {self.split} [{i}]",
      "joints": np.pad(
        seen, (after, (0, 0), (0, 0)), constant_values=np.float32(np.nan)
      ),
      "target": np.pad(target, after, constant_values=IGNORE),
      "frame_mask": (np.arange(self.frames) < length).astype(np.float32),
    }


def _actions(rng: np.random.Generator, length: int) -> np.ndarray:
  """Returns the action of each frame (t,) uint8; neighbours differ."""
  found, last = [], -1
  while sum(map(len, found)) < length:
    others = [k for k in range(len(ACTIONS)) if k != last]
    last = int(rng.choice(others))
    found.append(np.full(rng.integers(*_SEGMENT), last, np.uint8))
  return np.concatenate(found)[:length]


def _blended(weights: np.ndarray) -> np.ndarray:
  """Returns weights (t, k) as means over frames, so that no joint jumps."""
  half = _BLEND // 2
  padded = np.pad(weights, ((half, half), (0, 0)), mode="edge")
  length = len(weights)
  return np.mean([padded[i : i + length] for i in range(_BLEND)], axis=0)
