"""SRResNet: residual blocks with BatchNorm, and 9x9 convolutions around."""

import functools

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.conv import Conv
from vision_jax.layers.norm import BatchNorm
from vision_jax.layers.prelu import PReLU
from vision_jax.layers.upsample import pixel_shuffle
from vision_jax.models.restoration.edsr import factors_of
from vision_jax.ops.shapes import check_shape


class SRResNet(nn.Module):
  """SRResNet (Ledig et al., 2017), arxiv.org/abs/1609.04802.

  1,550,659 parameters at scale 4, with a slope for each channel. Paths
  conv_first, act_first, block1 ... (conv1, bn1, act, conv2, bn2), conv_body,
  bn_body, up1, up_act1 ..., conv_last.

  Attributes:
    scale: how many times larger images become: 2, 3, 4 or 8.
    channels: of the images.
    width: features.
    blocks: residual ones.
    momentum: decay of BatchNorm's running moments.
    epsilon: of BatchNorm.
    dtype: type to compute in; parameters and the last convolution are
      float32.
  """

  scale: int = 4
  channels: int = 3
  width: int = 64
  blocks: int = 16
  momentum: float = 0.9
  epsilon: float = 1e-5
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool, mask: Array | None = None
  ) -> Array:
    """Maps images x (b, h, w, c) to (b, scale h, scale w, c) float32."""
    check_shape("image", x, f"b h w {self.channels}")
    factors = factors_of("SRResNet", self.scale)
    conv = functools.partial(Conv, use_bias=True, dtype=self.dtype)
    norm = functools.partial(BatchNorm, self.momentum, self.epsilon, self.dtype)
    y = conv(self.width, 9, name="conv_first")(x)
    first = y = PReLU(name="act_first")(y)
    for i in range(1, self.blocks + 1):
      y = Residual(
        *(self.width, self.momentum, self.epsilon, self.dtype), name=f"block{i}"
      )(y, train=train, mask=mask)
    y = conv(self.width, name="conv_body")(y)
    y = first + norm(name="bn_body")(y, train=train, mask=mask)
    for i, factor in enumerate(factors, 1):
      y = conv(self.width * factor**2, name=f"up{i}")(y)
      y = PReLU(name=f"up_act{i}")(pixel_shuffle(y, factor))
    return Conv(self.channels, 9, use_bias=True, name="conv_last")(y)


class Residual(nn.Module):
  """Two 3x3 convolutions with BatchNorm beside a shortcut.

  Paths conv1, bn1, act, conv2, bn2.

  Attributes:
    width: channels in and out.
    momentum, epsilon: of BatchNorm.
    dtype: type to compute in.
  """

  width: int
  momentum: float
  epsilon: float
  dtype: DTypeLike

  @nn.compact
  def __call__(self, x: Array, *, train: bool, mask: Array | None) -> Array:
    """Maps x (b, h, w, width) to the same shape."""
    conv = functools.partial(Conv, self.width, use_bias=True, dtype=self.dtype)
    norm = functools.partial(BatchNorm, self.momentum, self.epsilon, self.dtype)
    y = norm(name="bn1")(conv(name="conv1")(x), train=train, mask=mask)
    y = conv(name="conv2")(PReLU(name="act")(y))
    return x + norm(name="bn2")(y, train=train, mask=mask)
