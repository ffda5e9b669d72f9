"""MobileNet v1."""

from collections.abc import Callable, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.conv import global_average
from vision_jax.layers.conv_norm import conv_norms
from vision_jax.layers.dense import Dense
from vision_jax.layers.stochastic import Dropout
from vision_jax.models.backbones.inverted_residual import levels, named
from vision_jax.ops.shapes import check_shape

# Features and stride of each depthwise separable convolution: table 1.
BLOCKS = (
  *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
  *((512, 1),) * 5,
  *((1024, 2), (1024, 1)),
)


class MobileNetV1(nn.Module):
  """MobileNet (Howard et al., 2017), arxiv.org/abs/1704.04861.

  Paths stem, block1_1/depthwise, block1_1/pointwise, ..., fc; a stage is a run
  of blocks of one width.

  Attributes:
    num_classes: k.
    blocks: (features, stride) of each.
    stem: features of the first convolution.
    width: multiplies all features.
    dropout: probability of zeroing a feature before the head.
    epsilon: of BatchNorm.
    momentum: decay of BatchNorm's running moments.
    dtype: type to compute in; parameters and the head are float32.
  """

  num_classes: int
  blocks: Sequence[tuple[int, int]] = BLOCKS
  stem: int = 32
  width: float = 1.0
  dropout: float = 0.0
  epsilon: float = 1e-5
  momentum: float = 0.9
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self,
    x: Array,
    *,
    train: bool,
    mask: Array | None = None,
    features: bool = False,
  ) -> Array | dict[str, Array]:
    """Maps images x (b, h, w, c) to logits (b, k) float32.

    With features=True to the last map of each resolution in place of logits,
    {"c1": ..., "c5": ...}, see `strides`.
    """
    check_shape("image", x, "b h w c")
    layer = conv_norms(
      train=train,
      mask=mask,
      activation=jax.nn.relu6,
      epsilon=self.epsilon,
      momentum=self.momentum,
      dtype=self.dtype,
    )
    x = layer(int(self.stem * self.width), 3, 2, name="stem")(x)
    maps = {}
    widths, strides = zip(*self.blocks, strict=True)
    rows = zip(*(named(widths), levels(strides), widths, strides), strict=True)
    for name, level, width, stride in rows:
      block = Separable(int(width * self.width), stride, layer, name=name)
      x = maps[f"c{level}"] = block(x)
    if features:
      return maps
    x = Dropout(self.dropout)(global_average(x), train=train)
    return Dense(self.num_classes, name="fc")(x)

  @property
  def strides(self) -> dict[str, int]:
    """Pixels from one place of a level's map to the next, of "c1", "c2", ..."""
    return {f"c{i}": 2**i for i in levels([s for _, s in self.blocks])}


class Separable(nn.Module):
  """A depthwise 3x3 and a 1x1 convolution; paths depthwise, pointwise.

  Attributes:
    features: of the result.
    stride: of the depthwise convolution.
    layer: as `conv_norms` makes it.
  """

  features: int
  stride: int
  layer: Callable[..., Callable[[Array], Array]]

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps x (b, h, w, c) to (b, h / stride, w / stride, d)."""
    c = x.shape[-1]
    x = self.layer(c, 3, self.stride, groups=c, name="depthwise")(x)
    return self.layer(self.features, 1, name="pointwise")(x)
