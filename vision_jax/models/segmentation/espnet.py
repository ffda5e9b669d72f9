"""ESPNet: spatial pyramids of dilated convolutions, small and fast."""

import functools
from collections.abc import Callable, Sequence

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.conv import Conv
from vision_jax.layers.norm import BatchNorm
from vision_jax.layers.prelu import PReLU
from vision_jax.layers.remat import remat
from vision_jax.layers.upsample import TransposedConv, pad_to_multiple
from vision_jax.ops.shapes import check_shape

DILATIONS = (1, 2, 4, 8, 16)
EPSILON = 1e-3  # of every BatchNorm
MULTIPLE = 8  # pixels of a place of the smallest map

Norm = Callable[..., Callable[[Array], Array]]


class ESPNet(nn.Module):
  """ESPNet (Mehta et al., 2018), arxiv.org/abs/1803.06815.

  354,517 parameters for CamVid's 12 outputs. Paths level1, b1, level2_0,
  level2_1 ..., b2, level3_0, level3_1 ..., b3, score3, and the decoder's
  score3_norm, up3, score2, combine_norm, combine, up2, up2_norm, score1, up1.

  Images whose sides are no multiple of 8 get zeros below and on the right, and
  the logits are cut back.

  Differs from the published code: the decoder's last level takes `b1` of the
  first map and the image (as the published weights for CamVid do), not the map
  alone.

  Attributes:
    num_classes: k.
    blocks: ESP blocks of the second and the third level, the paper's p and q.
    widths: features of the three levels.
    momentum: decay of BatchNorm's running moments.
    remat: what ESP blocks compute again in the backward pass, see
      `layers.remat`.
    dtype: type to compute in; parameters and the logits are float32.
  """

  num_classes: int
  blocks: Sequence[int] = (2, 8)
  widths: Sequence[int] = (16, 64, 128)
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

    def norm(name, act=True):
      layer = _NormAct(self.momentum, self.dtype, act, name=name)
      return functools.partial(layer, train=train, mask=mask)

    conv = functools.partial(Conv, dtype=self.dtype)
    esp = functools.partial(remat(EspBlock, self.remat), conv=conv, norm=norm)
    maps = self._encode(x, conv, norm, esp)
    return self._decode(maps, conv, norm, esp)[:, :h, :w]

  def _encode(self, x: Array, conv, norm: Norm, esp) -> list[Array]:
    """Returns the maps of 1/2, 1/4 and 1/8 of the image."""
    first, second, third = self.widths
    image2 = _halved(x)
    x = norm("level1_norm")(conv(first, 3, 2, name="level1")(x))
    maps = [norm("b1")(_joined(x, image2))]
    x = self._level(2, second, maps[-1], esp)
    maps.append(norm("b2")(_joined(*x, _halved(image2))))
    x, start = self._level(3, third, maps[-1], esp)
    return [*maps, norm("b3")(_joined(start, x))]

  def _level(self, number: int, features: int, x: Array, esp):
    """Returns a level's last map, and its first."""
    x = start = esp(features, stride=2, name=f"level{number}_0")(x)
    for i in range(1, self.blocks[number - 2] + 1):
      x = esp(features, residual=True, name=f"level{number}_{i}")(x)
    return x, start

  def _decode(self, maps: list[Array], conv, norm: Norm, esp) -> Array:
    """Returns logits at the image's size."""
    k = self.num_classes
    up = functools.partial(TransposedConv, use_bias=False)
    half, quarter, eighth = maps
    x = norm("score3_norm", act=False)(conv(k, 1, name="score3")(eighth))
    x = up(k, dtype=self.dtype, name="up3")(x)
    x = _joined(conv(k, 1, name="score2")(quarter), x)
    x = esp(k, name="combine")(norm("combine_norm")(x))
    x = norm("up2_norm")(up(k, dtype=self.dtype, name="up2")(x))
    x = norm("score1_norm")(conv(k, name="score1")(_joined(x, half)))
    return up(k, name="up1")(x)


class EspBlock(nn.Module):
  """Reduce, split, transform, merge: convolutions of several dilations.

  A reduction to a fifth of the features, five dilated 3x3 convolutions of it,
  and their sums from the second on, one after the other, which takes the grid
  out of the result. Paths reduce, d1, d2, ..., norm.

  Attributes:
    features: of the result; fewer than five have a dilation each.
    conv: partial of Conv.
    norm: name -> BatchNorm and PReLU.
    stride: 2 halves the map, by a reduction of 3x3 in place of 1x1.
    residual: whether the input is added.
  """

  features: int
  conv: Callable[..., nn.Module]
  norm: Norm
  stride: int = 1
  residual: bool = False

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps x (b, h, w, c) to (b, h / stride, w / stride, d)."""
    dilations = DILATIONS[: self.features]
    few = max(self.features // len(DILATIONS), 1)
    most = self.features - few * (len(dilations) - 1)
    kernel = 1 if self.stride == 1 else 3
    y = self.conv(few, kernel, self.stride, name="reduce")(x)
    parts = []
    for d in dilations:
      features = most if d == 1 else few
      part = self.conv(features, dilation=d, name=f"d{d}")(y)
      parts.append(part if len(parts) < 2 else parts[-1] + part)
    y = _joined(*parts)
    return self.norm("norm")(x + y if self.residual else y)


class _NormAct(nn.Module):
  """BatchNorm and PReLU, if `act` is there; paths bn, act."""

  momentum: float
  dtype: DTypeLike
  act: bool

  @nn.compact
  def __call__(self, x: Array, *, train: bool, mask: Array | None) -> Array:
    """Maps x (b, h, w, c) to the same shape."""
    norm = BatchNorm(self.momentum, EPSILON, self.dtype, name="bn")
    x = norm(x, train=train, mask=mask)
    return PReLU(name="act")(x) if self.act else x


def _joined(*maps: Array) -> Array:
  return jnp.concatenate(maps, axis=-1)


def _halved(x: Array) -> Array:
  """Means of 3x3 pixels at stride 2, to which the zeros around count."""
  return nn.avg_pool(x, (3, 3), (2, 2), ((1, 1), (1, 1)))
