"""MobileNet v3, large and small."""

import dataclasses
import functools
from collections.abc import Sequence

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
from vision_jax.models.backbones.inverted_residual import (
  InvertedResidual,
  Residual,
  levels,
  named,
)
from vision_jax.ops.shapes import check_shape

_RE, _HS = jax.nn.relu, jax.nn.hard_swish
# Hidden and resulting features, kernel, stride, squeeze, activation: tables 1
# and 2.
LARGE = (
  Residual(16, 16, 3, 1, False, _RE),
  Residual(64, 24, 3, 2, False, _RE),
  Residual(72, 24, 3, 1, False, _RE),
  Residual(72, 40, 5, 2, True, _RE),
  *(Residual(120, 40, 5, 1, True, _RE),) * 2,
  Residual(240, 80, 3, 2, False, _HS),
  Residual(200, 80, 3, 1, False, _HS),
  *(Residual(184, 80, 3, 1, False, _HS),) * 2,
  Residual(480, 112, 3, 1, True, _HS),
  Residual(672, 112, 3, 1, True, _HS),
  Residual(672, 160, 5, 2, True, _HS),
  *(Residual(960, 160, 5, 1, True, _HS),) * 2,
)
SMALL = (
  Residual(16, 16, 3, 2, True, _RE),
  Residual(72, 24, 3, 2, False, _RE),
  Residual(88, 24, 3, 1, False, _RE),
  Residual(96, 40, 5, 2, True, _HS),
  *(Residual(240, 40, 5, 1, True, _HS),) * 2,
  Residual(120, 48, 5, 1, True, _HS),
  Residual(144, 48, 5, 1, True, _HS),
  Residual(288, 96, 5, 2, True, _HS),
  *(Residual(576, 96, 5, 1, True, _HS),) * 2,
)


def dilated(blocks: Sequence[Residual]) -> tuple[Residual, ...]:
  """Returns blocks without the last halving, dilated by 2 from there on.

  As segmenters have them: the deepest map then is of stride 16.
  """
  last = max(i for i, size in enumerate(blocks) if size.stride == 2)
  deep = (dataclasses.replace(b, stride=1, dilation=2) for b in blocks[last:])
  return (*blocks[:last], *deep)


class MobileNetV3(nn.Module):
  """MobileNet v3 (Howard et al., 2019), arxiv.org/abs/1905.02244.

  Paths stem, block1_1, block2_1, ..., last, hidden, fc.

  Attributes:
    num_classes: k.
    blocks: their sizes.
    hidden: features of the dense layer before the head.
    dropout: probability of zeroing one of those.
    epsilon: of BatchNorm; torchvision's and the paper's, timm's is 1e-5.
    momentum: decay of BatchNorm's running moments.
    first_maps: whether the map of a level is its first block's and not its
      last's, and that of the deepest level `last`'s, with six times the
      features: what torchvision's segmenters read.
    remat: what blocks compute again in the backward pass, see `layers.remat`.
    dtype: type to compute in; parameters and the head are float32.
  """

  num_classes: int
  blocks: Sequence[Residual] = LARGE
  hidden: int = 1280
  dropout: float = 0.2
  epsilon: float = 1e-3
  momentum: float = 0.99
  first_maps: bool = False
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
    logits, {"c1": ..., "c5": ...}, see `strides` and `first_maps`.
    """
    check_shape("image", x, "b h w c")
    layer = conv_norms(
      train=train,
      mask=mask,
      activation=jax.nn.hard_swish,
      epsilon=self.epsilon,
      momentum=self.momentum,
      dtype=self.dtype,
    )
    x = layer(16, 3, 2, name="stem")(x)
    block, maps = remat(InvertedResidual, self.remat), {}
    names = named([size.features for size in self.blocks])
    deep = levels([size.stride for size in self.blocks])
    for name, level, size in zip(names, deep, self.blocks, strict=True):
      x = block(size, layer, name=name)(x)
      if not (self.first_maps and f"c{level}" in maps):
        maps[f"c{level}"] = x
    if features and not self.first_maps:
      return maps
    x = layer(6 * x.shape[-1], 1, name="last")(x)
    if features:
      return {**maps, f"c{level}": x}
    dense = functools.partial(Dense, kernel_init=nn.initializers.normal(0.01))
    x = dense(self.hidden, dtype=self.dtype, name="hidden")(global_average(x))
    x = Dropout(self.dropout)(jax.nn.hard_swish(x), train=train)
    return dense(self.num_classes, name="fc")(x)

  @property
  def strides(self) -> dict[str, int]:
    """Pixels from one place of a level's map to the next, of "c1", "c2", ..."""
    strides = [size.stride for size in self.blocks]
    return {f"c{i}": 2**i for i in levels(strides)}


MobileNetV3Large = functools.partial(MobileNetV3, blocks=LARGE, hidden=1280)
MobileNetV3Small = functools.partial(MobileNetV3, blocks=SMALL, hidden=1024)
