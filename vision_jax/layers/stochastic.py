"""Noise inside a model, keyed by example and not by device.

An example's noise depends on its position in the global batch, so that one
device, a mesh of them and `pmap` draw the same numbers. The rng collection is
"dropout".
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from vision_jax.core.mapped import mapped_axis
from vision_jax.core.types import Array
from vision_jax.errors import UserError


def position_keys(key: Array, count: int) -> Array:
  """Returns one key for each of this shard's `count` examples, (count,).

  Key i is fold_in(key, position of example i in the global batch).
  """
  axis = mapped_axis()
  shard = 0 if axis is None else jax.lax.axis_index(axis)
  positions = shard * count + jnp.arange(count, dtype=jnp.int32)
  return jax.vmap(jax.random.fold_in, (None, 0))(key, positions)


class Dropout(nn.Module):
  """Zeroes each value with probability `rate` (Srivastava et al., 2014).

  What is kept grows by 1 / (1 - rate); with train=False nothing happens.
  """

  rate: float

  @nn.compact
  def __call__(self, x: Array, *, train: bool) -> Array:
    """Returns x (b, ...) with values dropped independently."""
    return _drop(self, x, x.shape[1:], train)


class SpatialDropout(nn.Module):
  """Zeroes whole channels of an image's map (Tompson et al., 2015).

  What is kept grows by 1 / (1 - rate); with train=False nothing happens.
  """

  rate: float

  @nn.compact
  def __call__(self, x: Array, *, train: bool) -> Array:
    """Returns x (b, ..., c) with channels dropped, each by itself."""
    return _drop(self, x, (*(1,) * (x.ndim - 2), x.shape[-1]), train)


class StochasticDepth(nn.Module):
  """Zeroes a residual branch, an example at a time (Huang et al., 2016).

  Differs from the paper: what is kept grows by 1 / (1 - rate) in training, in
  place of shrinking at test time; the expectation is the same.
  """

  rate: float

  @nn.compact
  def __call__(self, x: Array, *, train: bool) -> Array:
    """Returns the branch x (b, ...), whole or zero for each example."""
    return _drop(self, x, (1,) * (x.ndim - 1), train)


def _drop(module: nn.Module, x: Array, shape: tuple[int, ...], train: bool):
  rate = module.rate
  if not 0 <= rate < 1:
    raise UserError(
      f"{type(module).__name__}: got rate={rate}; expected 0 <= rate < 1, the "
      "probability of zeroing."
    )
  if not train or rate == 0:
    return x
  keys = position_keys(module.make_rng("dropout"), x.shape[0])
  kept = jnp.float32(1 - rate)
  keep = jax.vmap(lambda key: jax.random.bernoulli(key, kept, shape))(keys)
  return jnp.where(keep, x / (1 - rate), 0).astype(x.dtype)
