"""Noise and times by example: the same wherever an example is computed."""

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array

# 2^32 over the golden ratio: its multiples fill the circle evenly.
_GOLDEN = 0x9E3779B9


def normals(keys: Array, number: int | Array, shape: tuple[int, ...]) -> Array:
  """Standard normal (b, *shape), the `number`-th draw of each key (b,)."""
  draw = lambda key: jax.random.normal(
    jax.random.fold_in(key, number), shape, jnp.float32
  )
  return jax.vmap(draw)(keys)


def times(key: Array, index: Array, steps: int) -> Array:
  """Returns times (b,) in 0 ... steps - 1 that cover the range evenly.

  Each is uniform, and those of neighbouring `index` (b,) are spread like
  multiples of the golden ratio, which lowers the variance of a batch's loss;
  independent of which shard an example is on.
  """
  share = shares(key, index)
  return jnp.minimum((share * steps).astype(jnp.int32), steps - 1)


def shares(key: Array, index: Array) -> Array:
  """Returns as `times` does places (b,) in [0, 1), which float32 has."""
  shift = jax.random.bits(key, (), jnp.uint32)
  place = shift + index.astype(jnp.uint32) * jnp.uint32(_GOLDEN)
  return (place >> 8).astype(jnp.float32) * 2.0**-24
