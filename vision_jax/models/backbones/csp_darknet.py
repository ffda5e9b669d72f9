"""CSPDarknet, in YOLOX's form, and the blocks that its pyramid shares."""

import functools
from collections.abc import Callable, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.conv import max_pool
from vision_jax.layers.conv_norm import conv_norms
from vision_jax.layers.remat import remat
from vision_jax.layers.upsample import space_to_depth
from vision_jax.ops.shapes import check_shape

Layer = Callable[..., Callable[[Array], Array]]


class Separable(nn.Module):
  """A depthwise convolution and one of 1x1; paths depthwise, pointwise.

  Attributes:
    features: of the result.
    kernel: side of the depthwise convolution's window.
    stride: of it.
    conv: makes a convolution with its norm and nonlinearity.
  """

  features: int
  kernel: int = 3
  stride: int = 1
  conv: Layer | None = None

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps x (b, h, w, c) to (b, h / stride, w / stride, d)."""
    sizes, c = (self.kernel, self.stride), x.shape[-1]
    x = self.conv(c, *sizes, groups=c, name="depthwise")(x)
    return self.conv(self.features, 1, name="pointwise")(x)


def layers(
  *,
  train: bool,
  mask: Array | None,
  depthwise: bool,
  dtype: DTypeLike,
  epsilon: float = 1e-3,
  momentum: float = 0.97,
) -> tuple[Layer, Layer]:
  """Returns what makes convolutions, and those of 3x3 within blocks.

  Args:
    train: whether BatchNorm's moments are the batch's.
    mask: (b,), which examples count in them.
    depthwise: whether the second are `Separable`.
    dtype: type to compute in.
    epsilon, momentum: of BatchNorm.
  """
  conv = conv_norms(
    train=train,
    mask=mask,
    activation=jax.nn.silu,
    epsilon=epsilon,
    momentum=momentum,
    dtype=dtype,
  )
  return conv, functools.partial(Separable, conv=conv) if depthwise else conv


class CSPLayer(nn.Module):
  """Bottlenecks on one half of the features, which pass the other by.

  Wang et al., 2019, https://arxiv.org/abs/1911.11929. Paths conv1 (of the half
  with the blocks), conv2 (of the other), block1_conv1, block1_conv2, ..., conv3
  of both.

  Attributes:
    features: of the result.
    blocks: how many bottlenecks.
    shortcut: whether each adds what it was given.
    conv: makes a convolution with its norm and nonlinearity.
    wide: likewise of those of 3x3.
    expansion: width of a half, a part of the result's.
  """

  features: int
  blocks: int
  shortcut: bool
  conv: Layer
  wide: Layer
  expansion: float = 0.5

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps x (b, h, w, c) to (b, h, w, features)."""
    half = int(self.features * self.expansion)
    y = self.conv(half, 1, name="conv1")(x)
    beside = self.conv(half, 1, name="conv2")(x)
    for i in range(1, self.blocks + 1):
      z = self.conv(half, 1, name=f"block{i}_conv1")(y)
      z = self.wide(half, name=f"block{i}_conv2")(z)
      y = y + z if self.shortcut else z
    y = jnp.concatenate([y, beside], -1)
    return self.conv(self.features, 1, name="conv3")(y)


class CSPDarknet(nn.Module):
  """The backbone of YOLOX (Ge et al., 2021, https://arxiv.org/abs/2107.08430).

  Paths stem, conv2, csp2, ..., conv5, pool5_conv1, pool5_conv2, csp5. The image
  is folded in squares of two pixels first; an odd side is padded by zeros.

  Attributes:
    width: features of the stem; they double with each stage.
    blocks: of each stage, c2 to c5.
    depthwise: whether convolutions of 3x3 are depthwise ones and 1x1.
    remat: what stages compute again in the backward pass, see `layers.remat`.
    dtype: type to compute in; parameters are float32.
  """

  width: int = 32
  blocks: Sequence[int] = (1, 3, 3, 1)
  depthwise: bool = False
  remat: str = "none"
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self,
    x: Array,
    *,
    train: bool,
    mask: Array | None = None,
    features: bool = True,
  ) -> dict[str, Array]:
    """Maps images x (b, h, w, c) to a map a stage, see `strides`."""
    assert features, "this net has no classes: its maps are all that it gives"
    _, h, w, _ = check_shape("image", x, "b h w c")
    conv, wide = layers(
      train=train, mask=mask, depthwise=self.depthwise, dtype=self.dtype
    )
    x = jnp.pad(x, ((0, 0), (0, h % 2), (0, w % 2), (0, 0)))
    x = conv(self.width, name="stem")(space_to_depth(x, 2))
    block, maps = remat(CSPLayer, self.remat), {}
    for i, blocks in enumerate(self.blocks, 2):
      last, d = i == len(self.blocks) + 1, self.width * 2 ** (i - 1)
      x = wide(d, 3, 2, name=f"conv{i}")(x)
      if last:
        x = conv(d // 2, 1, name=f"pool{i}_conv1")(x)
        pools = [x]
        for _ in range(3):  # windows of 5, 9 and 13 pixels
          pools.append(max_pool(pools[-1], 5, 1, 2))
        x = jnp.concatenate(pools, -1)
        x = conv(d, 1, name=f"pool{i}_conv2")(x)
      x = block(d, blocks, not last, conv, wide, name=f"csp{i}")(x)
      maps[f"c{i}"] = x
    return maps

  @property
  def strides(self) -> dict[str, int]:
    """Pixels from one place of a stage's map to the next, of "c2", "c3", ..."""
    return {f"c{i}": 2**i for i in range(2, len(self.blocks) + 2)}
