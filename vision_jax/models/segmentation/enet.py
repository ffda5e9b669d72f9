"""ENet: bottlenecks at an eighth of the image, unpooled with indices."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.conv import Conv, max_pool
from vision_jax.layers.norm import BatchNorm
from vision_jax.layers.prelu import PReLU
from vision_jax.layers.remat import remat
from vision_jax.layers.stochastic import SpatialDropout
from vision_jax.layers.upsample import (
  TransposedConv,
  max_pool_with_index,
  max_unpool,
  pad_to_multiple,
)
from vision_jax.ops.shapes import check_shape

EPSILON = 1e-3  # of every BatchNorm
MULTIPLE = 8  # pixels of a place of the smallest map
REDUCTION = 4  # features of a bottleneck to those within it
# What the middle convolution is: a dilation, or the length of two of one row.
REGULAR, ASYMMETRIC = 1, -5
CONTEXT = (REGULAR, 2, ASYMMETRIC, 4, REGULAR, 8, ASYMMETRIC, 16)

Layer = Callable[..., Any]


class ENet(nn.Module):
  """ENet (Paszke et al., 2016), arxiv.org/abs/1606.02147.

  0.37 million parameters in the paper. Paths initial, initial_norm,
  bottleneck1_0 ... bottleneck5_1 and fullconv; a bottleneck's reduce, conv
  (asymmetric ones: rows, columns), expand, and their norms, and main where it
  upsamples.

  The encoder's rectifiers are PReLUs, the decoder's ReLUs. What the paper
  leaves open is as in its authors' code: BatchNorm's epsilon, 3x3 kernels that
  upsample a bottleneck and 2x2 the logits, a quarter of a bottleneck's *result*
  within it. Images whose sides are no multiple of 8 get zeros below and on the
  right, and the logits are cut back.

  Attributes:
    num_classes: k.
    widths: features at 1/2, 1/4 and 1/8 of the image.
    blocks: bottlenecks after the first one at 1/4 on the way down, at 1/4 and
      at 1/2 on the way up.
    context: middle convolutions of those at 1/8: a dilation, or minus the
      length of a column and a row.
    repeats: how often `context` is gone through.
    dropout: of whole channels, up to the second pooling and from it on.
    momentum: decay of BatchNorm's running moments.
    remat: what bottlenecks compute again in the backward pass, see
      `layers.remat`.
    dtype: type to compute in; parameters and the logits are float32.
  """

  num_classes: int
  widths: Sequence[int] = (16, 64, 128)
  blocks: Sequence[int] = (4, 2, 1)
  context: Sequence[int] = CONTEXT
  repeats: int = 2
  dropout: Sequence[float] = (0.01, 0.1)
  momentum: float = 0.9
  remat: str = "none"
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool, mask: Array | None = None
  ) -> Array:
    """Maps images x (b, h, w, c) to logits (b, h, w, k) float32."""
    _, h, w, _ = check_shape("image", x, "b h w c")
    x = pad_to_multiple(x, MULTIPLE).astype(self.dtype)

    def norm(name, act=None):
      layer = _NormAct(self.momentum, self.dtype, act, name=name)
      return functools.partial(layer, train=train, mask=mask)

    def block(name, features, x, index=None, act="relu", late=True, **kind):
      rate = self.dropout[1 if late else 0]
      return remat(Bottleneck, self.remat)(
        *(features, act, norm),
        drop=lambda y: SpatialDropout(rate)(y, train=train),
        dtype=self.dtype,
        name=name,
        **kind,
      )(x, index)

    x, indices = self._encode(x, norm, functools.partial(block, act="prelu"))
    x = self._decode(x, indices, block)
    x = TransposedConv(self.num_classes, name="fullconv")(x)
    return x[:, :h, :w]

  def _encode(self, x: Array, norm: Layer, block: Layer):
    """Returns the map at 1/8, and where the maxima of 1/2 and 1/4 were."""
    half, quarter, eighth = self.widths
    conv = Conv(half - x.shape[-1], 3, 2, dtype=self.dtype, name="initial")
    x = jnp.concatenate([conv(x), max_pool(x)], -1)
    x = norm("initial_norm", "prelu")(x)
    early = functools.partial(block, late=False)
    x, first = early("bottleneck1_0", quarter, x, kind="down")
    for i in range(self.blocks[0]):
      x, _ = early(f"bottleneck1_{i + 1}", quarter, x)
    x, second = block("bottleneck2_0", eighth, x, kind="down")
    for stage in range(2, 2 + self.repeats):
      # The second stage is what the third is without a pooling of its own.
      for i, middle in enumerate(self.context, 1 if stage == 2 else 0):
        x, _ = block(f"bottleneck{stage}_{i}", eighth, x, middle=middle)
    return x, (first, second)

  def _decode(self, x: Array, indices: Sequence[Array], block: Layer) -> Array:
    """Returns the map at 1/2."""
    half, quarter, _ = self.widths
    ups = zip((quarter, half), reversed(indices), self.blocks[1:], strict=True)
    for stage, (features, index, count) in enumerate(ups, 2 + self.repeats):
      x, _ = block(f"bottleneck{stage}_0", features, x, index, kind="up")
      for i in range(count):
        x, _ = block(f"bottleneck{stage}_{i + 1}", features, x)
    return x


class Bottleneck(nn.Module):
  """A residual bottleneck that keeps, halves or doubles its map.

  Attributes:
    features: of the result.
    act: "prelu" or "relu".
    norm: (name, act) -> BatchNorm, and a rectifier if one is named.
    drop: dropout of the branch.
    kind: "same", "down" (the main path is pooled, new channels are zero) or
      "up" (it is projected and unpooled).
    middle: the middle convolution, as in `ENet.context`.
    dtype: type to compute in.
  """

  features: int
  act: str
  norm: Layer
  drop: Layer
  kind: str = "same"
  middle: int = REGULAR
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self, x: Array, index: Array | None = None
  ) -> tuple[Array, Array | None]:
    """Maps x (b, h, w, c), and where to unpool, to (b, h', w', d) and where.

    The places of the maxima are those of "down".
    """
    y, few = x, self.features // REDUCTION
    size = 2 if self.kind == "down" else 1
    y = self._conv(few, size, size, padding=0, name="reduce")(y)
    y = self._middle(self.norm("reduce_norm", self.act)(y), few)
    y = self.norm("conv_norm", self.act)(y)
    y = self._conv(self.features, 1, name="expand")(y)
    y = self.drop(self.norm("expand_norm")(y))
    x, index = self._main(x, index)
    return _rectified(self.act)(x + y), index

  def _middle(self, y: Array, few: int) -> Array:
    if self.kind == "up":
      up = TransposedConv(few, 3, 2, False, self.dtype, name="conv")
      return up(y)[:, 1:, 1:]  # the rest of it falls outside the pixels
    if self.middle > 0:
      return self._conv(few, dilation=self.middle, name="conv")(y)
    y = self._conv(few, (-self.middle, 1), name="rows")(y)
    return self._conv(few, (1, -self.middle), name="columns")(y)

  def _main(self, x: Array, index: Array | None):
    if self.kind == "down":
      x, index = max_pool_with_index(x)
      more = self.features - x.shape[-1]
      return jnp.pad(x, ((0, 0), (0, 0), (0, 0), (0, more))), index
    if self.kind == "up":
      x = self._conv(self.features, 1, name="main")(x)
      return max_unpool(self.norm("main_norm")(x), index), None
    return x, None

  @property
  def _conv(self):
    return functools.partial(Conv, dtype=self.dtype)


class _NormAct(nn.Module):
  """BatchNorm and a rectifier, if one is named; paths bn, act."""

  momentum: float
  dtype: DTypeLike
  act: str | None

  @nn.compact
  def __call__(self, x: Array, *, train: bool, mask: Array | None) -> Array:
    """Maps x (b, h, w, c) to the same shape."""
    norm = BatchNorm(self.momentum, EPSILON, self.dtype, name="bn")
    x = norm(x, train=train, mask=mask)
    return _rectified(self.act)(x) if self.act else x


def _rectified(act: str) -> Layer:
  return PReLU(name="act") if act == "prelu" else jax.nn.relu
