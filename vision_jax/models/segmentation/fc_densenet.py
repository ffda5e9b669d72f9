"""FC-DenseNet, the hundred layers tiramisu: DenseNet from map to map."""

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
from vision_jax.layers.upsample import TransposedConv
from vision_jax.ops.shapes import check_shape

_HE = nn.initializers.he_uniform()


class PreActivated(nn.Module):
  """Normalise, rectify, convolve, drop; paths bn, conv.

  Attributes:
    features: of the result.
    kernel: side of the convolution.
    dropout: probability of zeroing a value of the result.
    norm: fields of BatchNorm.
    dtype: type to compute in.
  """

  features: int
  kernel: int
  dropout: float
  norm: functools.partial
  dtype: DTypeLike

  @nn.compact
  def __call__(self, x: Array, train: bool, mask: Array | None) -> Array:
    """Maps x (b, h, w, c) to (b, h, w, d)."""
    norm = self.norm(dtype=self.dtype, name="bn")
    x = jax.nn.relu(norm(x, train=train, mask=mask))
    x = Conv(
      *(self.features, self.kernel),
      use_bias=True,
      dtype=self.dtype,
      kernel_init=_HE,
      name="conv",
    )(x)
    return Dropout(self.dropout)(x, train=train)


class FCDenseNet(nn.Module):
  """FC-DenseNet (Jégou et al., 2017), arxiv.org/abs/1611.09326.

  A layer sees what all before it in its block have made, and what entered it;
  what goes up are a block's new features alone, so that they stay few. Paths
  conv, down1_1, ..., down1, down2_1, ..., middle_1, ..., up5, up5_1, ...,
  up1_1, ..., head, where down1 halves the first block's map and up5 doubles the
  middle's.

  Sides may be any: of an odd one the last row or column is left out where the
  map is halved, and comes back from the map that it is joined with. Images that
  are smaller than 2 ** (number of blocks) get zeros below and on the right, and
  the logits are cut back.

  Attributes:
    num_classes: k.
    stages: layers of the blocks on the way down, in the middle and up.
    growth: features that a layer adds.
    width: features of the first convolution.
    dropout: probability of zeroing a value that a layer adds.
    test_moments: what normalises where it does not train: "running" moments, or
      those of each "image", as of the published numbers (a batch of one). The
      logits are the same in any batch either way.
    momentum: decay of BatchNorm's running moments.
    remat: what layers compute again in the backward pass, see `layers.remat`.
    dtype: type to compute in; parameters and the head are float32.
  """

  num_classes: int
  stages: Sequence[int] = (4, 5, 7, 10, 12, 15, 12, 10, 7, 5, 4)
  growth: int = 16
  width: int = 48
  dropout: float = 0.2
  test_moments: str = "running"
  momentum: float = 0.9
  remat: str = "none"
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool, mask: Array | None = None
  ) -> Array:
    """Maps images x (b, h, w, c) to logits (b, h, w, k) float32."""
    _, h, w, _ = check_shape("image", x, "b h w c")
    self._check()
    depth, middle, skips = len(self.stages) // 2, "middle", []
    x = _at_least(x, 2**depth)
    x = Conv(self.width, use_bias=True, dtype=self.dtype, name="conv")(x)
    run = functools.partial(self._block, train=train, mask=mask)
    for i, layers in enumerate(self.stages[:depth], 1):
      x = jnp.concatenate([x, *run(f"down{i}", layers, x)], axis=-1)
      skips.append(x)
      x = self._layer(f"down{i}", x.shape[-1], 1)(x, train, mask)
      x = max_pool(x)
    new = run(middle, self.stages[depth], x)
    for i, layers in zip(
      range(depth, 0, -1), self.stages[depth + 1 :], strict=True
    ):
      x = self._joined(f"up{i}", new, skips.pop())
      new = run(f"up{i}", layers, x)
    x = jnp.concatenate([x, *new], axis=-1)
    x = Conv(self.num_classes, 1, use_bias=True, kernel_init=_HE, name="head")(
      x
    )
    return x[:, :h, :w]

  def _check(self) -> None:
    if self.test_moments not in ("running", "image"):
      raise UserError(
        f"FCDenseNet: got test_moments={self.test_moments!r}; expected "
        "'running' or 'image'."
      )
    if len(self.stages) % 2 == 0:
      raise UserError(
        f"FCDenseNet: got stages of {len(self.stages)} blocks; expected as "
        "many down as up, and one between them."
      )

  def _layer(self, name: str, features: int, kernel: int) -> PreActivated:
    make = remat(PreActivated, self.remat, static=(2,))
    alone = self.test_moments == "image"
    norm = functools.partial(BatchNorm, self.momentum, per_image=alone)
    return make(features, kernel, self.dropout, norm, self.dtype, name=name)

  def _block(self, name: str, layers: int, x: Array, *, train, mask):
    """Returns what a block's layers add to x, each one's features."""
    new = []
    for i in range(1, layers + 1):
      layer = self._layer(f"{name}_{i}", self.growth, 3)
      new.append(layer(jnp.concatenate([x, *new], axis=-1), train, mask))
    return new

  def _joined(self, name: str, new: list[Array], skip: Array) -> Array:
    """Doubles a block's new features, and joins the map they are cut to."""
    x, (_, h, w, _) = jnp.concatenate(new, axis=-1), skip.shape
    x = TransposedConv(
      *(x.shape[-1], 3), dtype=self.dtype, kernel_init=_HE, name=name
    )(x)
    return jnp.concatenate([x[:, :h, :w], skip], axis=-1)


def _at_least(x: Array, side: int) -> Array:
  """Adds zeros below and on the right of x (b, h, w, c) that is smaller."""
  more = ((0, max(side - n, 0)) for n in x.shape[1:3])
  return jnp.pad(x, ((0, 0), *more, (0, 0)))


# 1.4, 3.5 and 9.3 million parameters with 11 classes; 9.4 with BatchNorm's
# statistics, which the paper's table counts.
FCDenseNet56 = functools.partial(FCDenseNet, stages=(4,) * 11, growth=12)
FCDenseNet67 = functools.partial(FCDenseNet, stages=(5,) * 11)
FCDenseNet103 = FCDenseNet
