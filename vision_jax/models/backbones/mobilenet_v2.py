"""MobileNet v2."""

from collections.abc import Iterator, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.conv import global_average
from vision_jax.layers.conv_norm import conv_norms
from vision_jax.layers.dense import Dense
from vision_jax.layers.remat import remat
from vision_jax.layers.stochastic import Dropout
from vision_jax.models.backbones.efficientnet import multiple
from vision_jax.models.backbones.inverted_residual import (
  InvertedResidual,
  Residual,
  levels,
  named,
)
from vision_jax.ops.shapes import check_shape

# Expansion, features, blocks, stride of the first: table 2.
STAGES = (
  (1, 16, 1, 1),
  (6, 24, 2, 2),
  (6, 32, 3, 2),
  (6, 64, 4, 2),
  (6, 96, 3, 1),
  (6, 160, 3, 2),
  (6, 320, 1, 1),
)


class MobileNetV2(nn.Module):
  """MobileNet v2 (Sandler et al., 2018), arxiv.org/abs/1801.04381.

  Paths stem, block1_1, block2_1, ..., last, fc.

  Attributes:
    num_classes: k.
    stages: (expansion, features, blocks, stride of the first) of each.
    stem: features of the first convolution.
    last: features of the last one.
    width: multiplies all features, but those of the last one only if above 1.
    dropout: probability of zeroing a feature before the head.
    epsilon: of BatchNorm.
    momentum: decay of BatchNorm's running moments.
    remat: what blocks compute again in the backward pass, see `layers.remat`.
    dtype: type to compute in; parameters and the head are float32.
  """

  num_classes: int
  stages: Sequence[tuple[int, int, int, int]] = STAGES
  stem: int = 32
  last: int = 1280
  width: float = 1.0
  dropout: float = 0.2
  epsilon: float = 1e-5
  momentum: float = 0.9
  remat: str = "none"
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

    With features=True to the last block's map of each resolution in place of
    logits, {"c1": ..., "c5": ...}, see `strides`.
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
    x = layer(multiple(self.stem * self.width), 3, 2, name="stem")(x)
    block, maps = remat(InvertedResidual, self.remat), {}
    sizes = list(self._sizes())
    names = named([size.features for size in sizes])
    deep = levels([size.stride for size in sizes])
    for name, level, size in zip(names, deep, sizes, strict=True):
      x = maps[f"c{level}"] = block(size, layer, name=name)(x)
    if features:
      return maps
    x = layer(multiple(self.last * max(self.width, 1)), 1, name="last")(x)
    x = Dropout(self.dropout)(global_average(x), train=train)
    init = nn.initializers.normal(0.01)
    return Dense(self.num_classes, kernel_init=init, name="fc")(x)

  @property
  def strides(self) -> dict[str, int]:
    """Pixels from one place of a level's map to the next, of "c1", "c2", ..."""
    sizes = self._sizes()
    return {f"c{i}": 2**i for i in levels([size.stride for size in sizes])}

  def _sizes(self) -> Iterator[Residual]:
    c = multiple(self.stem * self.width)
    for expansion, features, blocks, stride in self.stages:
      for i in range(blocks):
        d = multiple(features * self.width)
        yield Residual(expansion * c, d, stride=1 if i else stride)
        c = d
