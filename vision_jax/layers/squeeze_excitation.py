"""Squeeze and excitation (Hu et al., https://arxiv.org/abs/1709.01507)."""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.broadcast import spread
from vision_jax.layers.conv import global_average
from vision_jax.layers.dense import Dense

Activation = Callable[[Array], Array]


class SqueezeExcitation(nn.Module):
  """Scales each channel by what the whole image says; paths reduce, expand.

  Attributes:
    hidden: features in between.
    activation: of those.
    gate: maps what comes out to scales.
    dtype: type to compute in; parameters are float32.
  """

  hidden: int
  activation: Activation = jax.nn.relu
  gate: Activation = jax.nn.sigmoid
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps x (b, h, w, c) to the same shape."""
    dense = lambda features, name: Dense(features, dtype=self.dtype, name=name)
    y = dense(self.hidden, "reduce")(global_average(x))
    y = self.gate(dense(x.shape[-1], "expand")(self.activation(y)))
    return x * spread(y[:, None, None], x.shape, x.dtype)
