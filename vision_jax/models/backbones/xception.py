"""Xception."""

import functools
from collections.abc import Callable, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.conv import Conv, global_average, max_pool
from vision_jax.layers.dense import Dense
from vision_jax.layers.norm import BatchNorm
from vision_jax.layers.remat import remat
from vision_jax.layers.stochastic import Dropout
from vision_jax.ops.shapes import check_shape

# Features of each separable convolution of a block, and the block's stride.
BLOCKS = (
  *(((128, 128), 2), ((256, 256), 2), ((728, 728), 2)),
  *(((728, 728, 728), 1),) * 8,
  ((728, 1024), 2),
)


class Separable(nn.Module):
  """A depthwise 3x3, a 1x1 and BatchNorm; paths depthwise, pointwise, bn.

  Attributes:
    features: of the result.
    conv: partial of Conv.
    norm: partial of BatchNorm, with `train` and `mask`.
  """

  features: int
  conv: Callable[..., nn.Module]
  norm: Callable[..., Callable[[Array], Array]]

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps x (b, h, w, c) to (b, h, w, d)."""
    c = x.shape[-1]
    x = self.conv(c, 3, groups=c, name="depthwise")(x)
    x = self.conv(self.features, 1, name="pointwise")(x)
    return self.norm(name="bn")(x)


class Block(nn.Module):
  """Separable convolutions, with a shortcut; paths separable1, ..., projection.

  Attributes:
    features: of each convolution.
    stride: of the maximum after them, and of the shortcut.
    first: whether nothing was rectified before, as in a net's first block.
    conv: partial of Conv.
    norm: partial of BatchNorm, with `train` and `mask`.
  """

  features: Sequence[int]
  stride: int
  first: bool
  conv: Callable[..., nn.Module]
  norm: Callable[..., Callable[[Array], Array]]

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps x (b, h, w, c) to (b, h / stride, w / stride, d)."""
    y = x
    for i, features in enumerate(self.features, 1):
      y = y if self.first and i == 1 else jax.nn.relu(y)
      y = Separable(features, self.conv, self.norm, name=f"separable{i}")(y)
    if self.stride > 1:
      y = max_pool(y, 3, self.stride, 1)
    if self.stride > 1 or y.shape[-1] != x.shape[-1]:
      d, name = y.shape[-1], "projection"
      x = self.conv(d, 1, self.stride, name=name)(x)
      x = self.norm(name=f"{name}_bn")(x)
    return y + x


class Xception(nn.Module):
  """Xception (Chollet, 2016), arxiv.org/abs/1610.02357, for 299 x 299 images.

  Paths conv1, bn1, conv2, bn2, block1, ..., block12, conv3, conv4, fc. As timm
  has it; Keras pads the maxima on the right alone, and its epsilon is 1e-3.

  Attributes:
    num_classes: k.
    blocks: (features of the convolutions, stride) of each.
    stem: features of the first two convolutions.
    last: features of the last two.
    dropout: probability of zeroing a feature before the head.
    epsilon: of BatchNorm.
    momentum: decay of BatchNorm's running moments.
    remat: what blocks compute again in the backward pass, see `layers.remat`.
    dtype: type to compute in; parameters and the head are float32.
  """

  num_classes: int
  blocks: Sequence[tuple[Sequence[int], int]] = BLOCKS
  stem: tuple[int, int] = (32, 64)
  last: tuple[int, int] = (1536, 2048)
  dropout: float = 0.0
  epsilon: float = 1e-5
  momentum: float = 0.9
  remat: str = "none"
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool, mask: Array | None = None
  ) -> Array:
    """Maps images x (b, h, w, c) to logits (b, k) float32."""
    check_shape("image", x, "b h w c")
    conv = functools.partial(Conv, dtype=self.dtype)

    def norm(name):
      layer = BatchNorm(self.momentum, self.epsilon, self.dtype, name=name)
      return functools.partial(layer, train=train, mask=mask)

    for i, features in enumerate(self.stem, 1):
      x = conv(features, 3, 2 if i == 1 else 1, 0, name=f"conv{i}")(x)
      x = jax.nn.relu(norm(f"bn{i}")(x))
    block = remat(Block, self.remat)
    for i, (features, stride) in enumerate(self.blocks, 1):
      x = block(features, stride, i == 1, conv, norm, name=f"block{i}")(x)
    for i, features in enumerate(self.last, 3):
      x = jax.nn.relu(Separable(features, conv, norm, name=f"conv{i}")(x))
    x = Dropout(self.dropout)(global_average(x), train=train)
    return Dense(self.num_classes, name="fc")(x)
