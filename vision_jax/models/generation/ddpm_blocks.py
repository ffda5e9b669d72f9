"""What DDPM's U-Net is made of: residual blocks, attention, doubling."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.attention import attend
from vision_jax.layers.broadcast import add
from vision_jax.layers.conv import Conv
from vision_jax.layers.dense import Dense
from vision_jax.layers.group_norm import GroupNorm
from vision_jax.layers.stochastic import Dropout
from vision_jax.layers.time_embedding import GLOROT

# Layers that begin as (nearly) nothing, so that blocks begin as identities; not
# zero, as in the authors' code, so that gradients pass from the first step.
NOTHING = nn.initializers.variance_scaling(1e-10, "fan_avg", "uniform")


class ResBlock(nn.Module):
  """Two convolutions, the time's embedding, if any, added between them.

  Paths norm1, conv1, time, norm2, conv2, and shortcut where channels change.
  """

  features: int
  groups: int
  dropout: float
  dtype: DTypeLike

  @nn.compact
  def __call__(self, x: Array, time: Array | None, train: bool) -> Array:
    """Maps x (b, h, w, c) and time (b, d) to (b, h, w, features)."""
    norm = functools.partial(GroupNorm, self.groups, dtype=self.dtype)
    conv = functools.partial(
      Conv, self.features, use_bias=True, dtype=self.dtype
    )
    y = conv(kernel_init=GLOROT, name="conv1")(
      jax.nn.silu(norm(name="norm1")(x))
    )
    if time is not None:
      dense = Dense(
        self.features, dtype=self.dtype, kernel_init=GLOROT, name="time"
      )
      y = add(y, dense(jax.nn.silu(time))[:, None, None])
    y = jax.nn.silu(norm(name="norm2")(y))
    y = Dropout(self.dropout)(y, train=train)
    y = conv(kernel_init=NOTHING, name="conv2")(y)
    if x.shape[-1] != self.features:
      x = conv(kernel=1, kernel_init=GLOROT, name="shortcut")(x)
    return x + y


class AttentionBlock(nn.Module):
  """Self-attention over all pixels, as a residual; norm, query ... out."""

  groups: int
  heads: int
  dtype: DTypeLike

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps x (b, h, w, c) to the same shape."""
    b, h, w, c = x.shape
    dense = functools.partial(Dense, c, dtype=self.dtype)
    y = GroupNorm(self.groups, dtype=self.dtype, name="norm")(x)
    y = y.reshape(b, h * w, c)
    split = lambda name: dense(kernel_init=GLOROT, name=name)(y).reshape(
      b, h * w, self.heads, c // self.heads
    )
    y = attend(split("query"), split("key"), split("value"))
    y = dense(kernel_init=NOTHING, name="out")(y.reshape(b, h * w, c))
    return x + y.reshape(b, h, w, c)


def double(x: Array) -> Array:
  """Doubles the sides of x (b, h, w, c) by repeating each pixel."""
  b, h, w, c = x.shape
  wide = jnp.broadcast_to(x[:, :, None, :, None], (b, h, 2, w, 2, c))
  return wide.reshape(b, 2 * h, 2 * w, c)
