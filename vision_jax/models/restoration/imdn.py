"""IMDN: blocks that keep a part of the channels at each convolution."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.conv import Conv
from vision_jax.layers.upsample import pixel_shuffle
from vision_jax.ops.shapes import check_shape

SLOPE = 0.05
REDUCTION = 16  # of the attention's hidden features


class DistillationBlock(nn.Module):
  """Information multi-distillation: each convolution leaves a part aside.

  Paths c1 ... c5, and cca_1, cca_2 of the attention.

  Attributes:
    width: channels in and out.
    distilled: channels that each of the first three convolutions leaves aside.
    attention: whether channels are weighted by their contrast.
    dtype: type to compute in.
  """

  width: int
  distilled: int
  attention: bool
  dtype: DTypeLike

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps x (b, h, w, width) to the same shape."""
    conv = functools.partial(Conv, use_bias=True, dtype=self.dtype)
    rest, aside = x, []
    for i in (1, 2, 3):
      rest = leaky(conv(self.width, name=f"c{i}")(rest))
      part, rest = jnp.split(rest, [self.distilled], axis=-1)
      aside.append(part)
    aside.append(conv(self.distilled, name="c4")(rest))
    y = jnp.concatenate(aside, axis=-1)
    if self.attention:
      hidden = self.width // REDUCTION
      weight = jax.nn.relu(conv(hidden, 1, name="cca_1")(contrast(y)))
      y = y * jax.nn.sigmoid(conv(self.width, 1, name="cca_2")(weight))
    return x + conv(self.width, 1, name="c5")(y)


class IMDN(nn.Module):
  """IMDN (Hui et al., 2019), arxiv.org/abs/1909.11856, of colour images.

  694,404 parameters at scale 2. Paths conv, block1 ..., fuse, trunk, up.

  Attributes:
    scale: how many times larger images become.
    channels: of the images.
    width: features of the blocks.
    distilled: see `DistillationBlock`.
    blocks: their number.
    attention: likewise.
    fuse: whether the outputs of all blocks are joined, by a 1x1 and a 3x3
      convolution; else that of the last goes through a 1x1 one.
    dtype: type to compute in; parameters and the last convolution are
      float32.
  """

  scale: int = 2
  channels: int = 3
  width: int = 64
  distilled: int = 16
  blocks: int = 6
  attention: bool = True
  fuse: bool = True
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool, mask: Array | None = None
  ) -> Array:
    """Maps images x (b, h, w, c) to (b, scale h, scale w, c) float32."""
    del train, mask
    check_shape("image", x, f"b h w {self.channels}")
    conv = functools.partial(Conv, use_bias=True, dtype=self.dtype)
    first = y = conv(self.width, name="conv")(x)
    outputs = []
    for i in range(1, self.blocks + 1):
      y = DistillationBlock(
        *(self.width, self.distilled, self.attention, self.dtype),
        name=f"block{i}",
      )(y)
      outputs.append(y)
    if self.fuse:
      y = jnp.concatenate(outputs, axis=-1)
      y = leaky(conv(self.width, 1, name="fuse")(y))
    y = first + conv(self.width, 3 if self.fuse else 1, name="trunk")(y)
    head = Conv(self.channels * self.scale**2, use_bias=True, name="up")
    return pixel_shuffle(head(y), self.scale)


# For real time: 20,190 parameters at scale 2.
IMDN_RTC = functools.partial(
  IMDN, width=12, distilled=3, blocks=5, attention=False, fuse=False
)


def leaky(x: Array) -> Array:
  """Leaky ReLU as the paper's."""
  return jax.nn.leaky_relu(x, SLOPE)


def contrast(x: Array) -> Array:
  """Each channel's deviation and mean, (b, 1, 1, c), in float32."""
  x = x.astype(jnp.float32)
  mean = jnp.mean(x, (1, 2), keepdims=True)
  variance = jnp.mean((x - mean) ** 2, (1, 2), keepdims=True)
  # A flat channel has no derivative of its deviation: take 0.
  flat = variance == 0
  root = jnp.where(flat, 0, jnp.sqrt(jnp.where(flat, 1, variance)))
  return root + mean
