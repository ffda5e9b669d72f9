"""Layers whose weights learn at one rate, however many inputs they have.

A weight is drawn with deviation 1 and multiplied by 1 / sqrt(inputs) where it
is used, as He's initialization would scale it: to an optimizer such as Adam all
weights are then of one size (Karras et al., https://arxiv.org/abs/1710.10196,
section 4.1). With `rate` they move, and begin, as if at a fraction of the
optimizer's rate.
"""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.conv import convolve

SLOPE = 0.2


def leaky(x: Array) -> Array:
  """Leaky ReLU, which leaves a mean square near 1 as it is."""
  return math.sqrt(2) * jax.nn.leaky_relu(x, SLOPE)


class EqualDense(nn.Module):
  """A linear map: kernel (inputs, features), and a bias.

  Attributes:
    features: of the output.
    use_bias: whether something is added.
    bias: what the bias is at first.
    rate: of learning, as a share of the optimizer's.
    dtype: type to compute in; parameters are float32.
  """

  features: int
  use_bias: bool = True
  bias: float = 0.0
  rate: float = 1.0
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps x (..., inputs) to (..., features)."""
    inputs = x.shape[-1]
    init = nn.initializers.normal(1 / self.rate)
    kernel = self.param("kernel", init, (inputs, self.features))
    scale = self.rate / math.sqrt(inputs)
    y = x.astype(self.dtype) @ (scale * kernel).astype(self.dtype)
    if not self.use_bias:
      return y
    begin = nn.initializers.constant(self.bias / self.rate)
    bias = self.param("bias", begin, (self.features,))
    return y + (self.rate * bias).astype(self.dtype)


class EqualConv(nn.Module):
  """A convolution of odd side: kernel (k, k, inputs, features), and a bias.

  Attributes:
    features: of the output.
    kernel: its side.
    stride: pixels from one output to the next.
    padding: zeros around the map; None for what leaves it as large.
    use_bias: whether something is added.
    dtype: type to compute in; parameters are float32.
  """

  features: int
  kernel: int = 3
  stride: int = 1
  padding: int | None = None
  use_bias: bool = True
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps x (b, h, w, d) to (b, h', w', features)."""
    kernel = equal_kernel(self, self.kernel, x.shape[-1], self.features)
    padding = self.kernel // 2 if self.padding is None else self.padding
    x = x.astype(self.dtype)
    y = convolve(x, kernel, self.stride, padding)
    if not self.use_bias:
      return y
    bias = self.param("bias", nn.initializers.zeros, (self.features,))
    return y + bias.astype(self.dtype)


def equal_kernel(module: nn.Module, side: int, inputs: int, features: int):
  """Returns a module's parameter "kernel", scaled for its inputs, float32."""
  shape = (side, side, inputs, features)
  kernel = module.param("kernel", nn.initializers.normal(1.0), shape)
  return kernel / math.sqrt(side * side * inputs)
