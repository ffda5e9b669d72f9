"""One data set of a test set's examples, corrupted in many ways."""

import functools
import zlib
from collections.abc import Sequence

import numpy as np

from vision_jax.data.pickled import AsMade
from vision_jax.data.source import GatherSource, OfSource, short_hash
from vision_jax.data.transforms.corruptions import corrupt


class Corrupted(OfSource, AsMade):
  """All examples of a source in the first way, then in the second, and so on.

  `group`, int32, is the place of an example's way in `ways`. An example meets
  the same draws whenever it is read and at every strength of a kind, so that
  strengths differ in nothing else.

  Args:
    source: gathered from memory, its images uint8.
    ways: (kind, strength), see `transforms.corruptions`.
    seed: of the draws.
  """

  def __init__(
    self,
    source: GatherSource,
    ways: Sequence[tuple[str, float]],
    *,
    seed: int = 0,
  ):
    self.source, self.ways, self.seed = source, tuple(ways), seed

  def __len__(self) -> int:
    return len(self.ways) * len(self.source)

  def fingerprint(self) -> str:
    """Returns a hash of the source's, of the ways and of the seed."""
    return short_hash(self.source.fingerprint(), self.ways, self.seed)

  def labels(self) -> np.ndarray:
    """Returns the labels (n,)."""
    return np.tile(self.source.labels(), len(self.ways))

  def gather(self, indices: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the examples at `indices` as new arrays (b, ...)."""
    group, at = np.divmod(np.asarray(indices), len(self.source))
    batch = self.source.gather(at)
    image = np.array(batch["image"])
    for number in np.unique(group):
      rows = group == number
      kind, strength = self.ways[number]
      draws = self._draws[kind][at[rows]]
      image[rows] = corrupt(image[rows], kind, strength, draws)
    return {**batch, "image": image, "group": group.astype(np.int32)}

  @functools.cached_property
  def _draws(self) -> dict[str, np.ndarray]:
    """Kind -> draws (n, 2) of all examples."""
    size = len(self.source)
    rng = lambda kind: np.random.default_rng(
      (self.seed, zlib.crc32(kind.encode()))
    )
    return {kind: rng(kind).random((size, 2)) for kind, _ in self.ways}
