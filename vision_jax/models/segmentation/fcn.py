"""Fully convolutional networks on VGG-16."""

import functools
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.layers.conv import Conv, max_pool
from vision_jax.layers.norm import BatchNorm
from vision_jax.layers.remat import remat
from vision_jax.layers.stochastic import Dropout
from vision_jax.layers.upsample import (
  TransposedConv,
  bilinear_init,
  pad_to_multiple,
)
from vision_jax.ops.shapes import check_shape

_HE = nn.initializers.he_normal()
_MULTIPLE = 32


class FCN(nn.Module):
  """FCN on VGG-16 (Long et al., 2015), arxiv.org/abs/1411.4038.

  VGG-16's dense layers become convolutions (fc6, fc7), scores are taken at
  stride 32 and, in the finer variants, at 16 and 8 as well, added, and
  upsampled by transposed convolutions that start as bilinear interpolation.
  134.5 million parameters with 21 classes. Paths conv1_1 ..., fc6, fc7,
  score_fr, score_pool4, upscore2, ... as in the authors' release.

  Differs from the paper: fc6 is padded to keep the map's size, where the
  release pads the image by 100 and crops; images whose sides are no multiple of
  32 get zeros below and on the right and the logits are cut back; the last
  upsampling is learned in all variants; and new score layers start at 0 only
  where `zero_scores` says so.

  Attributes:
    num_classes: k.
    stride: 32, 16 or 8, of the finest scores.
    stages: features of VGG's convolutions, a tuple for each stage of five.
    hidden: features of fc6 and fc7.
    dropout: after fc6 and fc7.
    zero_scores: whether score layers start at 0, for pretrained backbones.
    norm: whether BatchNorm follows VGG's convolutions, to train from scratch;
      they then have no bias, which the normalisation would take off again.
    remat: what VGG's stages compute again in the backward pass, see
      `layers.remat`.
    dtype: type to compute in; parameters and scores are float32.
  """

  num_classes: int
  stride: int = 8
  stages: Sequence[Sequence[int]] = (
    (64,) * 2,
    (128,) * 2,
    (256,) * 3,
    (512,) * 3,
    (512,) * 3,
  )
  hidden: int = 4096
  dropout: float = 0.5
  zero_scores: bool = False
  norm: bool = False
  remat: str = "none"
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool, mask: Array | None = None
  ) -> Array:
    """Maps images x (b, h, w, c) to logits (b, h, w, k) float32."""
    _, h, w, _ = check_shape("image", x, "b h w c")
    if self.stride not in (32, 16, 8) or len(self.stages) != 5:
      raise UserError(
        f"FCN: got stride={self.stride} and {len(self.stages)} stages; "
        "expected a stride of 32, 16 or 8 and 5 stages."
      )
    pools = self._backbone(pad_to_multiple(x, _MULTIPLE), train, mask)
    x = self._head(pools[-1], train)
    score, stride = self._score(x, "score_fr"), 32
    for stage in (4, 3):
      if stride == self.stride:
        break
      score = self._upsample(score, 2, f"upscore{64 // stride}")
      score += self._score(pools[stage - 1], f"score_pool{stage}")
      stride //= 2
    logits = self._upsample(score, stride, f"upscore_{stride}s")
    return logits[:, :h, :w]

  def _backbone(self, x: Array, train: bool, mask: Array | None):
    run = remat(FCN._stage, self.remat, static=(1, 3))
    pools = []
    for stage in range(1, len(self.stages) + 1):
      x = max_pool(run(self, stage, x, train, mask))
      pools.append(x)
    return pools

  def _stage(self, stage: int, x: Array, train: bool, mask: Array | None):
    for i, features in enumerate(self.stages[stage - 1], 1):
      name = f"conv{stage}_{i}"
      x = self._conv(features, use_bias=not self.norm, name=name)(x)
      if self.norm:
        norm = BatchNorm(dtype=self.dtype, name=f"bn{stage}_{i}")
        x = norm(x, train=train, mask=mask)
      x = jax.nn.relu(x)
    return x

  def _head(self, x: Array, train: bool) -> Array:
    for name, kernel in (("fc6", 7), ("fc7", 1)):
      x = jax.nn.relu(self._conv(self.hidden, kernel, name=name)(x))
      x = Dropout(self.dropout)(x, train=train)
    return x

  def _score(self, x: Array, name: str) -> Array:
    init = nn.initializers.zeros if self.zero_scores else _HE
    score = Conv(
      self.num_classes, 1, use_bias=True, kernel_init=init, name=name
    )
    return score(x)

  @property
  def _conv(self):
    return functools.partial(
      Conv, use_bias=True, dtype=self.dtype, kernel_init=_HE
    )

  def _upsample(self, x: Array, factor: int, name: str) -> Array:
    """Enlarges x exactly `factor` times: what hangs over is cut off."""
    _, h, w, _ = x.shape
    up = TransposedConv(
      self.num_classes,
      kernel=2 * factor,
      stride=factor,
      use_bias=False,
      kernel_init=bilinear_init,
      name=name,
    )
    y, cut = up(x), factor // 2
    return y[:, cut : cut + h * factor, cut : cut + w * factor]


FCN32s = functools.partial(FCN, stride=32)
FCN16s = functools.partial(FCN, stride=16)
FCN8s = functools.partial(FCN, stride=8)
