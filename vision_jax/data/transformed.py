"""A source whose examples have gone through transforms, noise and all."""

from collections.abc import Sequence

import numpy as np

from vision_jax.data.pickled import AsMade, Lock
from vision_jax.data.source import (
  Example,
  GatherSource,
  OfSource,
  ReadSource,
  read,
  short_hash,
)
from vision_jax.data.transforms.base import Transform, apply_all


class Transformed(OfSource, AsMade):
  """Examples after transforms, each the same whenever it is read.

  Random numbers are of one stream, that of the seed, of which the examples have
  parts in their order: noise is drawn once for a set. Shapes may differ.

  Args:
    source: examples to read.
    transforms: (example, rng) -> example, applied in order.
    seed: of the random numbers.
    keep: whether examples stay in memory once they are made.
  """

  def __init__(
    self,
    source: ReadSource | GatherSource,
    transforms: Sequence[Transform],
    *,
    seed: int = 0,
    keep: bool = False,
  ):
    self.source, self.transforms = source, tuple(transforms)
    self._seed, self._keep, self._lock = seed, keep, Lock()
    self._kept: dict[int, Example] = {}

  def __getstate__(self) -> dict[str, object]:
    return super().__getstate__() | {"_kept": {}}

  def __len__(self) -> int:
    return len(self.source)

  def read(self, indices: np.ndarray) -> list[Example]:
    """Returns the examples at `indices`."""
    return [dict(self._read(int(i))) for i in indices]

  def fingerprint(self) -> str:
    """Returns a hash of the source's, of the transforms and of the seed."""
    return short_hash(self.source.fingerprint(), self.transforms, self._seed)

  def _read(self, i: int) -> Example:
    if i in self._kept:
      return self._kept[i]
    rng = np.random.Generator(np.random.PCG64(self._seed).jumped(i))
    (example,) = read(self.source, np.array([i]))
    example = apply_all(self.transforms, example, rng)
    if self._keep:
      with self._lock:
        self._kept[i] = example
    return example
