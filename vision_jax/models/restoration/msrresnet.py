"""MSRResNet: SRResNet without BatchNorm, on top of a bilinear image."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.conv import Conv
from vision_jax.layers.upsample import pixel_shuffle
from vision_jax.models.restoration.edsr import Residual, factors_of
from vision_jax.ops.shapes import check_shape

SLOPE = 0.1


class MSRResNet(nn.Module):
  """The modified SRResNet that ESRGAN's authors begin with (Wang et al., 2018).

  arxiv.org/abs/1809.00219. 1,517,571 parameters at scale 4. Paths conv_first,
  block1 ... (conv1, conv2), up1 ..., conv_hr, conv_last.

  Attributes:
    scale: how many times larger images become: 2, 3, 4 or 8.
    channels: of the images.
    width: features.
    blocks: residual ones.
    dtype: type to compute in; parameters and the last convolution are
      float32.
  """

  scale: int = 4
  channels: int = 3
  width: int = 64
  blocks: int = 16
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool, mask: Array | None = None
  ) -> Array:
    """Maps images x (b, h, w, c) to (b, scale h, scale w, c) float32."""
    del train, mask
    check_shape("image", x, f"b h w {self.channels}")
    b, h, w, c = x.shape
    size = (b, self.scale * h, self.scale * w, c)
    conv = functools.partial(Conv, use_bias=True, dtype=self.dtype)
    leaky = functools.partial(jax.nn.leaky_relu, negative_slope=SLOPE)
    y = leaky(conv(self.width, name="conv_first")(x))
    for i in range(1, self.blocks + 1):
      y = Residual(self.width, 1.0, self.dtype, name=f"block{i}")(y)
    for i, factor in enumerate(factors_of("MSRResNet", self.scale), 1):
      y = conv(self.width * factor**2, name=f"up{i}")(y)
      y = leaky(pixel_shuffle(y, factor))
    y = leaky(conv(self.width, name="conv_hr")(y))
    y = Conv(self.channels, use_bias=True, name="conv_last")(y)
    return y + jax.image.resize(x.astype(jnp.float32), size, "linear")
