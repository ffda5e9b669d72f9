"""FSRCNN: an hourglass at the small size, and one transposed convolution."""

import functools

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.layers.conv import Conv, convolve
from vision_jax.layers.prelu import PReLU
from vision_jax.layers.upsample import depth_to_space
from vision_jax.ops.shapes import check_shape

KERNEL = 9  # side of the transposed convolution
_HE_IN = nn.initializers.variance_scaling(2.0, "fan_in", "normal")
_SMALL = nn.initializers.normal(1e-3)  # as the authors'


class FSRCNN(nn.Module):
  """FSRCNN (Dong et al., 2016), arxiv.org/abs/1608.00367.

  Features of 5x5 patches, fewer of them, mapped by 3x3 convolutions, as many
  again, and enlarged. (56, 12, 4) has 12,464 weights; with biases and the
  slopes of PReLU 12,809. Paths extract, shrink, map1 ..., expand, enlarge, and
  act1 ... of the slopes.

  Attributes:
    scale: how many times larger images become, up to the kernel's 9.
    channels: of the images; 1 for luma.
    width: features of patches, the paper's d.
    narrow: features in between, s.
    depth: convolutions that map them, m.
    dtype: type to compute in; parameters and the last convolution are
      float32.
  """

  scale: int = 3
  channels: int = 1
  width: int = 56
  narrow: int = 12
  depth: int = 4
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool, mask: Array | None = None
  ) -> Array:
    """Maps images x (b, h, w, c) to (b, scale h, scale w, c) float32."""
    del train, mask
    check_shape("image", x, f"b h w {self.channels}")
    conv = functools.partial(
      Conv, use_bias=True, dtype=self.dtype, kernel_init=_HE_IN
    )
    convs = [
      conv(self.width, 5, name="extract"),
      conv(self.narrow, 1, name="shrink"),
      *(conv(self.narrow, name=f"map{i + 1}") for i in range(self.depth)),
      conv(self.width, 1, name="expand"),
    ]
    for i, each in enumerate(convs, 1):
      x = PReLU(name=f"act{i}")(each(x))
    return Enlarge(self.channels, self.scale, name="enlarge")(x)


class Enlarge(nn.Module):
  """A transposed 9x9 convolution to exactly scale times the size, float32.

  A pixel's kernel lies in the middle of the pixels that it becomes. As a
  convolution at the small size to scale² values, which are laid out as pixels.

  Attributes:
    features: channels of the result.
    scale: its stride.
  """

  features: int
  scale: int

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps x (b, h, w, c) to (b, scale h, scale w, features)."""
    scale, d = self.scale, self.features
    if not 1 <= scale <= KERNEL:
      raise UserError(
        f"FSRCNN: got scale {scale}; expected one from 1 to {KERNEL}."
      )
    c = x.shape[-1]
    shape = (KERNEL, KERNEL, c, d)
    kernel = self.param("kernel", _SMALL, shape, jnp.float32)
    bias = self.param("bias", nn.initializers.zeros, (d,), jnp.float32)
    taps = -(-KERNEL // scale) // 2 * 2 + 1  # pixels that one depends on, odd
    zeros = taps * scale - KERNEL
    around = (zeros // 2, zeros - zeros // 2)
    kernel = jnp.pad(kernel, (around, around, (0, 0), (0, 0)))
    # Phase p of the result is a small convolution with kernel[p::scale].
    kernel = kernel.reshape(taps, scale, taps, scale, c, d)[::-1, :, ::-1]
    kernel = kernel.transpose(0, 2, 4, 1, 3, 5)
    kernel = kernel.reshape(taps, taps, c, scale**2 * d)
    y = convolve(x.astype(jnp.float32), kernel, padding=taps // 2)
    return depth_to_space(y, scale) + bias
