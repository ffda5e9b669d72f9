"""Which examples of a source are a group: others, partners, consecutive ones.

Each is called with the number of a group and a generator, and gives the indices
of the group's examples; its length is the number of groups.
"""

import functools
import itertools
from collections.abc import Sequence

import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.data.pickled import AsMade
from vision_jax.data.source import Source


class Others(AsMade):
  """Example i, and n - 1 others of the source, each once, at random."""

  def __init__(self, source: Source, n: int):
    self.source, self.n = source, n

  def __len__(self) -> int:
    return len(self.source)

  def __call__(self, i: int, rng: np.random.Generator) -> np.ndarray:
    size = len(self.source)
    if not 1 <= self.n <= size:
      raise DataError(
        f"Others: got groups of {self.n}, and the source has {size} examples; "
        f"expected groups of 1 to {size}."
      )
    others = rng.choice(size - 1, self.n - 1, replace=False)
    return np.concatenate([[i], others + (others >= i)]).astype(np.int64)


class Partners(AsMade):
  """Example i, and another: of its class with probability `same`."""

  def __init__(self, source: Source, same: float):
    if not hasattr(source, "labels"):
      raise DataError(
        f"Partners: got a {type(source).__name__}, which has no labels(); "
        "expected a source with a class for each example."
      )
    if not 0 <= same <= 1:
      raise DataError(f"same: got {same}; expected a probability, 0 to 1.")
    self.source, self.same = source, same

  def __len__(self) -> int:
    return len(self.source)

  def __call__(self, i: int, rng: np.random.Generator) -> np.ndarray:
    order, place, start, count = self._classes
    if rng.random() < self.same:
      other = start[i] + rng.integers(count[i] - 1)
      other += other >= place[i]
    else:
      other = rng.integers(len(order) - count[i])
      other += count[i] * (other >= start[i])
    return np.array([i, order[other]])

  @functools.cached_property
  def _classes(self) -> tuple[np.ndarray, ...]:
    """Examples by class; of each its place there, its class's start and size.

    Raises:
      DataError: if an example has no partner.
    """
    labels = np.asarray(self.source.labels())
    if labels.ndim != 1:
      raise DataError(
        f"Partners: got labels of shape {labels.shape}; expected (n,), one "
        "class for each example."
      )
    names, found, counts = np.unique(
      labels, return_inverse=True, return_counts=True
    )
    if self.same > 0 and counts.min() < 2:
      raise DataError(
        f"Partners: the class {names[counts.argmin()]} has one example alone; "
        "expected two of each class at least. Leave it out, or pass same=0."
      )
    if self.same < 1 and len(names) < 2:
      raise DataError(
        "Partners: got one class; expected two at least, or same=1."
      )
    order = np.argsort(found, kind="stable")
    starts = np.cumsum(counts) - counts
    return order, np.argsort(order), starts[found], counts[found]


class Consecutive(AsMade):
  """Frames `stride` apart, of one video each time; see `clips`."""

  def __init__(
    self,
    source: Source,
    length: int,
    stride: int = 1,
    every: int = 1,
    videos: Sequence[object] | None = None,
  ):
    if min(length, stride, every) < 1:
      raise DataError(
        f"clips: got length {length}, stride {stride}, every {every}; expected "
        "1 or more of each."
      )
    self.source, self.videos = source, videos
    self.length, self.stride, self.every = length, stride, every

  def __len__(self) -> int:
    return len(self._starts)

  def __call__(self, i: int, rng: np.random.Generator) -> np.ndarray:
    del rng
    return self._starts[i] + self.stride * np.arange(self.length)

  @functools.cached_property
  def _starts(self) -> np.ndarray:
    n = len(self.source)
    videos = np.zeros(n) if self.videos is None else np.asarray(self.videos)
    if videos.shape != (n,):
      raise DataError(
        f"clips: got videos of shape {videos.shape}; expected ({n},), one for "
        "each frame of the source."
      )
    bounds = np.flatnonzero(videos[1:] != videos[:-1]) + 1
    edges = np.concatenate([[0], bounds, [n]])
    span = (self.length - 1) * self.stride
    starts = [
      np.arange(first, end - span, self.every)
      for first, end in itertools.pairwise(edges)
    ]
    found = np.concatenate(starts).astype(np.int64)
    if not len(found):
      longest = int(np.diff(edges).max())
      raise DataError(
        f"clips: got clips over {span + 1} frames, and the longest video has "
        f"{longest}; expected a video that holds one. Make length or stride "
        "smaller."
      )
    return found
