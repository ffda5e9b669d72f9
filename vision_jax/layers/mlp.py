"""The two-layer MLP of a transformer's block."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.attention import XAVIER
from vision_jax.layers.dense import Dense
from vision_jax.layers.remat import remat
from vision_jax.layers.stochastic import Dropout
from vision_jax.ops.forms import form


class MlpBlock(nn.Module):
  """Dense, GELU, Dense, with dropout after each (Dosovitskiy et al., 2021).

  Parameters dense1 (d, hidden) and dense2 (hidden, d). GELU is exact, by erf.
  In the form "again" the backward pass computes it again, so that dense1's
  result alone is kept: of four arrays, the largest of a transformer, one.

  Attributes:
    hidden: features in between.
    dropout: probability of zeroing a value.
    dtype: type to compute in; parameters are float32.
  """

  hidden: int
  dropout: float = 0.0
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, x: Array, *, train: bool) -> Array:
    """Maps x (b, l, d) to the same shape."""
    y = self._dense(self.hidden, "dense1")(x)
    mode = "blocks" if form("gelu") == "again" else "none"
    second = remat(MlpBlock._second, mode, static=(2, 3))
    return second(self, y, x.shape[-1], train)

  def _second(self, y: Array, features: int, train: bool) -> Array:
    """Maps dense1's result (b, l, hidden) to the block's."""
    drop = lambda y: Dropout(self.dropout)(y, train=train)
    y = drop(jax.nn.gelu(y, approximate=False))
    return drop(self._dense(features, "dense2")(y))

  def _dense(self, features: int, name: str) -> Dense:
    return Dense(
      features,
      dtype=self.dtype,
      kernel_init=XAVIER,
      bias_init=nn.initializers.normal(1e-6),
      name=name,
    )
