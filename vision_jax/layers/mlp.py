"""The two-layer perceptron of a transformer's block."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from vision_jax.core.types import Array
from vision_jax.layers.attention import XAVIER
from vision_jax.layers.dense import Dense
from vision_jax.layers.stochastic import Dropout


class MlpBlock(nn.Module):
  """Dense, GELU, Dense, with dropout after each (Dosovitskiy et al., 2021).

  Parameters dense1 (d, hidden) and dense2 (hidden, d). GELU is exact, by erf.

  Attributes:
    hidden: features in between.
    dropout: probability of zeroing a value.
    dtype: to compute in; parameters are float32.
  """

  hidden: int
  dropout: float = 0.0
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array, *, train: bool) -> Array:
    """Maps x (b, l, d) to the same shape."""

    def dense(features, name):
      return Dense(
        features,
        dtype=self.dtype,
        kernel_init=XAVIER,
        bias_init=nn.initializers.normal(1e-6),
        name=name,
      )

    drop = lambda y: Dropout(self.dropout)(y, train=train)
    y = dense(self.hidden, "dense1")(x)
    y = drop(jax.nn.gelu(y, approximate=False))
    return drop(dense(x.shape[-1], "dense2")(y))
