"""A multi-layer perceptron (MLP) on flattened images."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.dense import Dense
from vision_jax.layers.stochastic import Dropout

_HE = nn.initializers.he_normal()


class MLP(nn.Module):
  """Dense layers with ReLU; paths dense1, dense2, ..., head.

  The defaults are the 784-800-10 network of Simard et al. (2003).

  Attributes:
    num_classes: k.
    hidden: features of the layers in between.
    dropout: probability of zeroing a hidden value.
    dtype: type to compute in; parameters and the head are float32.
  """

  num_classes: int
  hidden: Sequence[int] = (800,)
  dropout: float = 0.0
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool, mask: Array | None = None
  ) -> Array:
    """Maps images x (b, h, w, c), or vectors, to logits (b, k) float32."""
    x = x.reshape(x.shape[0], -1).astype(self.dtype)
    for i, features in enumerate(self.hidden, 1):
      dense = Dense(
        features, dtype=self.dtype, kernel_init=_HE, name=f"dense{i}"
      )
      x = jax.nn.relu(dense(x))
      x = Dropout(self.dropout)(x, train=train)
    return Dense(self.num_classes, name="head")(x)
