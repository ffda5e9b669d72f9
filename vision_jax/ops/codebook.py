"""Vectors that stand for others: the nearest, and how a table of them moves.

A table of k vectors (k, d) follows what it stands for by exponential moving
averages (van den Oord et al., arXiv 1711.00937, appendix A.1).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array, Batch, Mean, Rows
from vision_jax.ops.augment.keys import integers, uniforms


class Table(NamedTuple):
  """A table of vectors, and what is known of their use; of a net's statistics.

  Attributes:
    vectors: (k, d).
    use: the share of all places that each vector stands for, (k,), averaged.
    candidates: what encoders gave of late, (n, d), the newest last.
  """

  vectors: Array
  use: Array
  candidates: Array


class Moved(NamedTuple):
  """A `Table` after a batch, which comes in parts: of each what it adds."""

  vectors: Mean
  use: Mean
  candidates: Rows


def nearest(x: Array, vectors: Array) -> Array:
  """Returns the number of the vector (k, d) nearest to each of x (..., d)."""
  x, vectors = x.astype(jnp.float32), vectors.astype(jnp.float32)
  product = jnp.einsum("...d,kd->...k", x, vectors, precision="highest")
  distance = jnp.sum(vectors * vectors, -1) - 2 * product
  return jnp.argmin(distance, -1).astype(jnp.int32)


def begun(vectors: Array) -> Table:
  """Returns a table of vectors that are used alike, and no other candidates."""
  size = len(vectors)
  return Table(vectors, jnp.full(size, 1 / size, jnp.float32), vectors)


def renewed(table: Table, least: float) -> Table:
  """Returns the table with candidates in the place of dead vectors.

  A vector is dead whose use is less than `least` of what an even share would
  be. In order, the dead ones become the candidates from the newest on, and are
  as near to dying as can be: what is not used is replaced again.

  Args:
    table: as it is before a step.
    least: 0 replaces none.
  """
  dead = table.use < least / len(table.use)
  rank = jnp.cumsum(dead) - 1
  newest = table.candidates[::-1]
  chosen = newest[rank % len(newest)]
  return table._replace(
    vectors=jnp.where(dead[:, None], chosen, table.vectors),
    use=jnp.where(dead, least / len(table.use), table.use),
  )


def moved(
  table: Table, x: Array, codes: Array, batch: Batch, key: Array, decay: float
) -> Moved:
  """Returns the table after a batch, as means over it.

  use becomes decay use + (1 - decay) n and vectors the ratio of decay use
  vectors + (1 - decay) s to that, where n is the share of places that a vector
  stands for and s the sum, by places, of what it stands for there. A new
  candidate is what an example has at a place drawn by its key.

  Args:
    table: as it was in the step.
    x: what the encoder gave, (b, l, d).
    codes: the nearest vectors' numbers, (b, l).
    batch: of it `index` (b,) and `mask` (b,), whose zeros do not count.
    key: of the step.
    decay: what stays of an average in a step.
  """
  _, places, _ = x.shape
  mask, x = batch["mask"], x.astype(jnp.float32)
  chosen = jax.nn.one_hot(codes, len(table.use)) * mask[:, None, None]
  new = (1 - decay) / places
  examples = jnp.sum(mask)
  use = decay * table.use * examples + new * jnp.sum(chosen, (0, 1))
  total = jnp.einsum("blk,bld->kd", chosen, x, precision="highest")
  kept = (decay * table.use * examples)[:, None] * table.vectors
  drawn = integers(uniforms(batch, key, 1), places)[..., None]
  return Moved(
    vectors=Mean(kept + new * total, use[:, None]),
    use=Mean(use, examples),
    candidates=Rows(
      jnp.take_along_axis(x, drawn, axis=1)[:, 0], batch["index"]
    ),
  )


def perplexity(use: Array, least: float = 0.0) -> Array:
  """Returns how many vectors are used, as if evenly: exp of use's entropy.

  Args:
    use: (k,), of any sum.
    least: vectors used less than this of an even share do not count.
  """
  use = jnp.where(use > least * jnp.sum(use) / len(use), use, 0)
  share = use / jnp.sum(use)
  return jnp.exp(-jnp.sum(jax.scipy.special.xlogy(share, share)))
