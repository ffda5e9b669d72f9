"""A table of vectors as a layer: each place of a map becomes the nearest."""

import flax.linen as nn
import jax.numpy as jnp

from vision_jax.core.types import Array
from vision_jax.ops.codebook import nearest

STATISTICS = "codebook"  # of a table that no gradient moves


class Codebook(nn.Module):
  """k vectors of d features (van den Oord et al., arXiv 1711.00937).

  The table `vectors` (k, d) is a statistic, which a task moves, or where it is
  learned a parameter, which the gradient does.

  Attributes:
    size: number of vectors, k.
    features: of a vector, d.
    learned: whether the table is a parameter.
  """

  size: int
  features: int
  learned: bool = False

  def setup(self):
    shape = (self.size, self.features)
    if self.learned:
      start = nn.initializers.uniform(2 / self.size)
      centred = lambda key: start(key, shape, jnp.float32) - 1 / self.size
      self.table = self.param("vectors", centred)
    else:
      start = lambda: nn.initializers.normal(1.0)(
        self.make_rng("params"), shape, jnp.float32
      )
      self.table = self.variable(STATISTICS, "vectors", start).value

  def __call__(self, x: Array) -> tuple[Array, Array]:
    """Maps x (..., d) to the nearest vectors, and their numbers int32 (...)."""
    codes = nearest(x, self.table)
    return self.lookup(codes), codes

  def lookup(self, codes: Array) -> Array:
    """Returns the vectors (..., d) of numbers int (...)."""
    return self.table[codes]
