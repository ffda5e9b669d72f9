"""A fixed number of right and wrong anchors of each image, drawn at random."""

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array
from vision_jax.ops.local import per_image


def balanced(
  found: Array,
  counts: Array,
  draws: Array,
  *,
  number: int,
  positive: float,
) -> tuple[Array, Array]:
  """Draws so many anchors, of which a part at most have found something.

  Those that have found something come first: they lie in the first
  `number * positive` places, and where they are fewer, more of the others are
  drawn. As in Faster R-CNN, Ren et al., 2015,
  https://arxiv.org/abs/1506.01497, section 3.1.3.

  Args:
    found: (b, l) bool, which have found something.
    counts: (b, l) bool, which may be drawn.
    draws: (b, l) in [0, 1): the largest are drawn.
    number: s; where l is smaller, so many.
    positive: the part of them.

  Returns:
    Their places (b, s) int32, and (b, s) bool, whether there is one.
  """
  size = found.shape[1]
  most, number = min(int(number * positive), size), min(number, size)

  def one(found: Array, counts: Array, draws: Array) -> tuple[Array, Array]:
    best, at = jax.lax.top_k(jnp.where(found & counts, draws, -1.0), most)
    chosen = jnp.zeros(size, bool).at[at].set(best >= 0)
    other = jnp.where(counts & ~found, draws, -1.0)
    best, at = jax.lax.top_k(jnp.where(chosen, 1.0 + draws, other), number)
    return at, best >= 0

  return per_image(jax.vmap(one))(found, counts, draws)
