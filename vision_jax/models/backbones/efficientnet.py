"""EfficientNet and EfficientNetV2 (Tan & Le, 2019 and 2021).

https://arxiv.org/abs/1905.11946 and https://arxiv.org/abs/2104.00298.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.conv import Conv, global_average
from vision_jax.layers.dense import Dense
from vision_jax.layers.norm import BatchNorm
from vision_jax.layers.remat import remat
from vision_jax.layers.squeeze_excitation import SqueezeExcitation
from vision_jax.layers.stochastic import Dropout, StochasticDepth
from vision_jax.ops.shapes import check_shape


@dataclasses.dataclass(frozen=True)
class Stage:
  """Blocks one after another.

  Attributes:
    fused: whether a block's first convolution is a full one (FusedMBConv), and
      not a 1x1 and a depthwise one with squeeze and excitation (MBConv).
    expand: channels within a block over those that enter it.
    kernel: side of the full or depthwise convolution.
    stride: step of the first block's.
    features: channels of the result.
    blocks: how many.
  """

  fused: bool
  expand: int
  kernel: int
  stride: int
  features: int
  blocks: int

  def scaled(self, width: float, depth: float) -> "Stage":
    """Returns a wider and deeper one, in multiples of 8 channels."""
    return dataclasses.replace(
      self,
      features=multiple(self.features * width),
      blocks=math.ceil(self.blocks * depth),
    )


def multiple(channels: float, of: int = 8) -> int:
  """Rounds to a multiple, but never by more than a tenth downwards."""
  rounded = max(of, int(channels + of / 2) // of * of)
  return rounded + of * (rounded < 0.9 * channels)


class Block(nn.Module):
  """An inverted residual block, MBConv or FusedMBConv.

  Paths, each where it is: expand and depthwise, or conv; squeeze; project; and
  a norm, conv_bn, for each convolution.

  Attributes:
    stage: that it is of.
    stride: step of the convolution.
    drop_path: probability of dropping the branch of an example.
    conv: partial of Conv.
    norm: partial of BatchNorm, with `train` and `mask`.
  """

  stage: Stage
  stride: int
  drop_path: float
  conv: Callable[..., nn.Module]
  norm: Callable[..., Callable[[Array], Array]]

  @nn.compact
  def __call__(self, x: Array, train: bool) -> Array:
    """Maps x (b, h, w, c) to (b, h / stride, w / stride, d)."""
    stage, c = self.stage, x.shape[-1]
    y = self._fused(x) if stage.fused else self._inside(x)
    if not stage.fused or self._expands(x):
      y = self._norm("project", self.conv(stage.features, 1, name="project")(y))
    if self.stride > 1 or c != stage.features:
      return y
    return x + StochasticDepth(self.drop_path)(y, train=train)

  def _fused(self, x: Array) -> Array:
    """A full convolution, to the channels within or, without any, after."""
    stage = self.stage
    features = self._hidden(x) if self._expands(x) else stage.features
    conv = self.conv(features, stage.kernel, self.stride, name="conv")
    return jax.nn.silu(self._norm("conv", conv(x)))

  def _inside(self, x: Array) -> Array:
    """Expands, convolves by channel, and weighs the channels."""
    stage, c, hidden = self.stage, x.shape[-1], self._hidden(x)
    if self._expands(x):
      expand = self.conv(hidden, 1, name="expand")
      x = jax.nn.silu(self._norm("expand", expand(x)))
    depthwise = self.conv(
      hidden, stage.kernel, self.stride, groups=hidden, name="depthwise"
    )
    x = jax.nn.silu(self._norm("depthwise", depthwise(x)))
    squeeze = SqueezeExcitation(
      max(1, c // 4), jax.nn.silu, dtype=x.dtype, name="squeeze"
    )
    return squeeze(x)

  def _hidden(self, x: Array) -> int:
    return multiple(x.shape[-1] * self.stage.expand)

  def _expands(self, x: Array) -> bool:
    return self._hidden(x) != x.shape[-1]

  def _norm(self, name: str, x: Array) -> Array:
    return self.norm(name=f"{name}_bn")(x)


# Kind, expansion, kernel, stride, features, blocks: B0's, table 1 of 2019.
B0 = tuple(
  Stage(False, *row)
  for row in (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
  )
)


class EfficientNet(nn.Module):
  """EfficientNet, with the published sizes at the bottom of this file.

  Paths: conv1, bn1, stage1_block1, ..., conv2, bn2, fc.

  Attributes:
    num_classes: k.
    stages: of blocks.
    stem: features of the first convolution.
    last: features of the last one.
    epsilon: added to BatchNorm's variances.
    momentum: decay of BatchNorm's running moments.
    dropout: probability of zeroing a value before the head. The papers have
      0.2 (B0, V2-S) to 0.5 (B7).
    drop_path: stochastic depth; it grows linearly from 0, to this after the
      last block. The papers have 0.2.
    remat: what blocks compute again in the backward pass, see `layers.remat`.
    dtype: type to compute in; parameters and the head are float32.
  """

  num_classes: int
  stages: Sequence[Stage] = B0
  stem: int = 32
  last: int = 1280
  epsilon: float = 1e-5
  momentum: float = 0.9
  dropout: float = 0.0
  drop_path: float = 0.0
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

    With features=True to what stages give before the image is halved again, and
    the last one, in place of logits: {"c1": ..., "c5": ...}, see `strides`;
    conv2, bn2 and fc are then not created.
    """
    check_shape("image", x, "b h w c")
    conv = functools.partial(Conv, dtype=self.dtype)
    layer = functools.partial(
      BatchNorm, self.momentum, self.epsilon, self.dtype
    )
    norm = lambda name: functools.partial(
      layer(name=name), train=train, mask=mask
    )
    x = jax.nn.silu(norm("bn1")(conv(self.stem, 3, 2, name="conv1")(x)))
    maps = {}
    for i, stage in enumerate(self.stages):
      for j in range(stage.blocks):
        x = self._block(i, j, conv, norm)(x, train)
      maps[self._level(i)] = x  # a later stage of the same stride takes over
    if features:
      return maps
    x = jax.nn.silu(norm("bn2")(conv(self.last, 1, name="conv2")(x)))
    x = Dropout(self.dropout)(global_average(x), train=train)
    return Dense(self.num_classes, name="fc")(x)

  @property
  def strides(self) -> dict[str, int]:
    """Pixels from one place of a map to the next, of "c1", "c2", ..."""
    levels = {self._level(i) for i in range(len(self.stages))}
    return {level: 2 ** int(level[1:]) for level in sorted(levels)}

  def _level(self, stage: int) -> str:
    """Returns the name of a stage's map: how often it was halved."""
    return f"c{1 + sum(s.stride == 2 for s in self.stages[: stage + 1])}"

  def _block(self, i: int, j: int, conv, norm) -> Block:
    total = sum(stage.blocks for stage in self.stages)
    before = sum(stage.blocks for stage in self.stages[:i]) + j
    return remat(Block, self.remat, static=(2,))(
      self.stages[i],
      self.stages[i].stride if j == 0 else 1,
      self.drop_path * before / total,
      conv,
      norm,
      name=f"stage{i + 1}_block{j + 1}",
    )


def _scaled(width: float, depth: float, epsilon: float = 1e-5):
  """Returns B0 with `width` times the channels and `depth` times the blocks."""
  return functools.partial(
    EfficientNet,
    stages=tuple(stage.scaled(width, depth) for stage in B0),
    stem=multiple(32 * width),
    last=4 * multiple(320 * width),
    epsilon=epsilon,
  )


# Side in pixels of the images that each is published for.
SIZES = {
  **{"B0": 224, "B1": 240, "B2": 260, "B3": 300, "B4": 380, "B5": 456},
  **{"B6": 528, "B7": 600, "V2S": 384, "V2M": 480},
}
# The larger ones' published weights have TensorFlow's epsilon.
EfficientNetB0 = EfficientNet
EfficientNetB1 = _scaled(1.0, 1.1)
EfficientNetB2 = _scaled(1.1, 1.2)
EfficientNetB3 = _scaled(1.2, 1.4)
EfficientNetB4 = _scaled(1.4, 1.8)
EfficientNetB5 = _scaled(1.6, 2.2, 1e-3)
EfficientNetB6 = _scaled(1.8, 2.6, 1e-3)
EfficientNetB7 = _scaled(2.0, 3.1, 1e-3)


def _v2(stem: int, *rows: tuple[bool, int, int, int, int, int]):
  stages = tuple(Stage(*row) for row in rows)
  return functools.partial(EfficientNet, stages=stages, stem=stem, epsilon=1e-3)


# Table 4 of 2021, and the authors' code for M.
EfficientNetV2S = _v2(
  24,
  (True, 1, 3, 1, 24, 2),
  (True, 4, 3, 2, 48, 4),
  (True, 4, 3, 2, 64, 4),
  (False, 4, 3, 2, 128, 6),
  (False, 6, 3, 1, 160, 9),
  (False, 6, 3, 2, 256, 15),
)
EfficientNetV2M = _v2(
  24,
  (True, 1, 3, 1, 24, 3),
  (True, 4, 3, 2, 48, 5),
  (True, 4, 3, 2, 80, 5),
  (False, 4, 3, 2, 160, 7),
  (False, 6, 3, 1, 176, 14),
  (False, 6, 3, 2, 304, 18),
  (False, 6, 3, 1, 512, 5),
)
