"""The block of MobileNet v2 and v3: wide within, narrow without."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import flax.linen as nn
import jax

from vision_jax.core.types import Array
from vision_jax.layers.squeeze_excitation import SqueezeExcitation
from vision_jax.models.backbones.efficientnet import multiple

Activation = Callable[[Array], Array]


@dataclasses.dataclass(frozen=True)
class Residual:
  """A block's sizes.

  Attributes:
    hidden: channels within.
    features: of the result.
    kernel: side of the depthwise convolution.
    stride: its step.
    squeeze: whether the channels within are weighted by the whole image.
    activation: within.
    dilation: of the depthwise convolution.
  """

  hidden: int
  features: int
  kernel: int = 3
  stride: int = 1
  squeeze: bool = False
  activation: Activation = jax.nn.relu6
  dilation: int = 1


class InvertedResidual(nn.Module):
  """1x1 to more channels, depthwise, 1x1 to few (Sandler et al., 2018).

  Paths expand, where there are more channels within, depthwise, squeeze and
  project.

  Attributes:
    sizes: of the block.
    layer: as `conv_norms` makes it.
  """

  sizes: Residual
  layer: Callable[..., Callable[[Array], Array]]

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps x (b, h, w, c) to (b, h / stride, w / stride, d)."""
    sizes, c, y = self.sizes, x.shape[-1], x
    hidden, act = sizes.hidden, sizes.activation
    if hidden != c:
      y = self.layer(hidden, 1, activation=act, name="expand")(y)
    y = self.layer(
      *(hidden, sizes.kernel, sizes.stride),
      groups=hidden,
      dilation=sizes.dilation,
      activation=act,
      name="depthwise",
    )(y)
    if sizes.squeeze:
      y = SqueezeExcitation(
        multiple(hidden // 4),
        gate=jax.nn.hard_sigmoid,
        dtype=y.dtype,
        name="squeeze",
      )(y)
    y = self.layer(sizes.features, 1, activation=None, name="project")(y)
    return x + y if sizes.stride == 1 and c == sizes.features else y


def named(widths: Sequence[int]) -> Iterator[str]:
  """Yields blocks' names, block1_1, ...: a stage is a run of one width."""
  stage, i, before = 0, 0, None
  for width in widths:
    stage, i = (stage, i + 1) if width == before else (stage + 1, 1)
    before = width
    yield f"block{stage}_{i}"


def levels(strides: Sequence[int]) -> Iterator[int]:
  """Yields how often the image has been halved, after each block."""
  level = 1  # the stem
  for stride in strides:
    level += stride == 2
    yield level
