"""Darknet: the backbone of YOLO v3."""

from collections.abc import Callable, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.conv_norm import conv_norms
from vision_jax.layers.remat import remat
from vision_jax.ops.shapes import check_shape

Layer = Callable[..., Callable[[Array], Array]]


def layers(
  *, train: bool, mask: Array | None, dtype: DTypeLike
) -> Callable[..., Callable[[Array], Array]]:
  """Returns what makes a convolution with BatchNorm and a leaky rectifier.

  Args:
    train: whether BatchNorm's moments are the batch's.
    mask: (b,), which examples count in them.
    dtype: type to compute in.
  """
  leaky = lambda x: jax.nn.leaky_relu(x, 0.1)
  options = {"activation": leaky, "momentum": 0.97, "dtype": dtype}
  return conv_norms(train=train, mask=mask, **options)


class Block(nn.Module):
  """A 1x1 convolution to half the features, and a 3x3 one back; residual.

  Paths conv1, conv2.

  Attributes:
    conv: makes a convolution, see `layers`.
  """

  conv: Layer

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps x (b, h, w, d) to (b, h, w, d)."""
    d = x.shape[-1]
    y = self.conv(d // 2, 1, name="conv1")(x)
    return x + self.conv(d, name="conv2")(y)


class Darknet(nn.Module):
  """Darknet-53 (Redmon and Farhadi, 2018, https://arxiv.org/abs/1804.02767).

  Paths conv0, conv1, block1_1, ..., conv2, ..., block5_4. Without the paper's
  classifier.

  Attributes:
    width: features of the first convolution; they double with each stage.
    blocks: of each stage, c1 to c5.
    remat: what blocks compute again in the backward pass, see `layers.remat`.
    dtype: type to compute in; parameters are float32.
  """

  width: int = 32
  blocks: Sequence[int] = (1, 2, 8, 8, 4)
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
    check_shape("image", x, "b h w c")
    conv = layers(train=train, mask=mask, dtype=self.dtype)
    block, maps = remat(Block, self.remat), {}
    x = conv(self.width, name="conv0")(x)
    for i, blocks in enumerate(self.blocks, 1):
      x = conv(self.width * 2**i, 3, 2, name=f"conv{i}")(x)
      for j in range(1, blocks + 1):
        x = block(conv, name=f"block{i}_{j}")(x)
      maps[f"c{i}"] = x
    return maps

  @property
  def strides(self) -> dict[str, int]:
    """Pixels from one place of a stage's map to the next, of "c1", "c2", ..."""
    return {f"c{i}": 2**i for i in range(1, len(self.blocks) + 1)}
