"""Digits that move: generated clips whose class is direction and speed."""

import functools

import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.data.order import check_seed
from vision_jax.data.pickled import AsMade, Lock
from vision_jax.data.source import Example, GatherSource, short_hash
from vision_jax.data.sources.digits import Digits

DIRECTIONS = {"right": (0, 1), "down": (1, 0), "left": (0, -1), "up": (-1, 0)}
SPEEDS = {"slow": 1, "fast": 2}  # pixels a frame
CLASS_NAMES = tuple(f"{d} {s}" for d in DIRECTIONS for s in SPEEDS)
_SPLITS = {"train": 0, "val": 1, "test": 2}
_VERSION = 1  # of the drawing, part of the fingerprint


class MovingDigits(AsMade):
  """Clips of a digit that moves over noise; example i is pure in (seed, i).

  The digits are scikit-learn's 8x8, of their training set for train and val, of
  their test set for test. No single frame tells the class.

  An example has `image` (t size size 1) uint8 and `label`, its place in
  CLASS_NAMES.

  Args:
    split: "train", "val" or "test".
    length: number of clips.
    frames: of a clip, t.
    size: height and width in pixels.
    seed: seed of all clips.

  Raises:
    DataError: for another split, or frames in which no digit can move so far.
  """

  num_classes = len(CLASS_NAMES)
  class_names = CLASS_NAMES

  def __init__(
    self,
    split: str,
    length: int,
    *,
    frames: int = 8,
    size: int = 24,
    seed: int = 0,
  ):
    if split not in _SPLITS or length < 1 or frames < 2:
      raise DataError(
        f"moving digits: got split {split!r}, {length} clips, {frames} frames; "
        "expected train, val or test, at least 1 clip and 2 frames."
      )
    least = 8 + max(SPEEDS.values()) * (frames - 1)
    if size < least:
      raise DataError(
        f"moving digits: got frames of {size} pixels; expected {least} or "
        f"more, which a digit crosses in {frames} frames. Use a larger "
        "--config.image_size, or fewer --config.frames."
      )
    check_seed(seed)
    self.split, self.length, self.frames = split, length, frames
    self.size, self.seed, self._lock = size, seed, Lock()

  def __len__(self) -> int:
    return self.length

  def labels(self) -> np.ndarray:
    """Returns the classes of all clips, (n,)."""
    return np.arange(self.length, dtype=np.int32) % self.num_classes

  def fingerprint(self) -> str:
    """Returns a hash of what defines the clips."""
    return short_hash(
      *(_VERSION, self.split, self.length, self.frames, self.size, self.seed)
    )

  def read(self, indices: np.ndarray) -> list[Example]:
    """Returns the clips at `indices`."""
    return [self._clip(int(i)) for i in indices]

  @property
  def _digits(self) -> np.ndarray:
    with self._lock:  # read once, by whichever thread is first
      return self._read_digits

  @functools.cached_property
  def _read_digits(self) -> np.ndarray:
    split = "test" if self.split == "test" else "train"
    source: GatherSource = Digits(split)
    return source.gather(np.arange(len(source)))["image"][..., 0]

  def _clip(self, i: int) -> Example:
    rng = np.random.default_rng((self.seed, _SPLITS[self.split], i))
    label = i % self.num_classes
    direction, speed = divmod(label, len(SPEEDS))
    step = np.array([*DIRECTIONS.values()][direction])
    step *= [*SPEEDS.values()][speed]
    digits = self._digits
    digit = digits[rng.integers(len(digits))]
    # Whole within all frames, wherever it begins.
    way, room = step * (self.frames - 1), self.size - 8
    start = rng.integers(np.maximum(0, -way), room + 1 - np.maximum(0, way))
    shape = (self.frames, self.size, self.size)
    image = rng.integers(0, 48, shape).astype(np.uint8)
    for t in range(self.frames):
      y, x = start + t * step
      where = image[t, y : y + 8, x : x + 8]
      np.maximum(where, digit, out=where)
    return {
      "name": f"moving digits {self.split} [{i}]",
      "image": image[..., None],
      "label": np.int32(label),
    }
