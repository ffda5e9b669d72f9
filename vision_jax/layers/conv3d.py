"""Convolution of clips, and of what else has a time."""

import functools

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.broadcast import add
from vision_jax.layers.conv import HE_NORMAL
from vision_jax.layers.weights import weighted
from vision_jax.ops.convolution3d import Sides, convolution3d


class Conv3D(nn.Module):
  """Convolution; parameters kernel (s, k, l, c, d) and bias (d,).

  Attributes:
    features: channels of the result, d.
    kernel: length of the window in time, its height and width, or one number
      for all three.
    stride: step of the window in time, and along both axes of the image.
    padding: zeros at both ends of time, height and width; None for half the
      window, which keeps the size at stride 1.
    dilation: frames from one of the window's places in time to the next.
    use_bias: whether a bias is added.
    dtype: type to compute in; parameters are float32.
    kernel_init: initial kernel.
  """

  features: int
  kernel: int | Sides = 3
  stride: tuple[int, int] = (1, 1)
  padding: Sides | None = None
  dilation: int = 1
  use_bias: bool = False
  dtype: DTypeLike = jnp.float32
  kernel_init: nn.initializers.Initializer = HE_NORMAL

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps x (b, t, h, w, c) to (b, t', h', w', d)."""
    sides = self.kernel
    sides = (sides,) * 3 if isinstance(sides, int) else tuple(sides)
    shape = (*sides, x.shape[-1], self.features)
    kernel = self.param("kernel", self.kernel_init, shape, jnp.float32)
    padding = self.padding
    if padding is None:
      padding = tuple((side - 1) // 2 for side in sides)
      padding = (self.dilation * padding[0], *padding[1:])
    product = functools.partial(
      convolution3d,
      stride=self.stride,
      padding=padding,
      dilation=self.dilation,
    )
    y = weighted(product, x.astype(self.dtype), kernel)
    if self.use_bias:
      init = nn.initializers.zeros
      y = add(y, self.param("bias", init, (self.features,), jnp.float32))
    return y


def along_time(x: Array) -> Array:
  """Returns what has a time as clips, whose other axes are of length 1.

  (b, t, 1, 1, c) of a sequence (b, t, c), (b, t, v, 1, c) of joints.
  """
  return x.reshape(*x.shape[:-1], *(1,) * (5 - x.ndim), x.shape[-1])
