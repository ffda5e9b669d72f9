"""R(2+1)D: a residual net whose convolutions see space, and then time.

Tran et al. (2018), "A Closer Look at Spatiotemporal Convolutions for Action
Recognition".
"""

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.conv3d import Conv3D
from vision_jax.layers.norm import BatchNorm
from vision_jax.models.video.r3d import R3D, Layer


class Conv2Plus1D(nn.Module):
  """1x3x3, BatchNorm, ReLU, 3x1x1; paths spatial, bn, temporal.

  Attributes:
    features: channels of the result.
    middle: channels between the two.
    stride: step along time, height and width.
    dtype: type to compute in.
  """

  features: int
  middle: int
  stride: int = 1
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool, mask: Array | None = None
  ) -> Array:
    """Maps x (b, t, h, w, c) to (b, t', h', w', d)."""
    conv = functools.partial(Conv3D, dtype=self.dtype)
    x = conv(self.middle, (1, 3, 3), (1, self.stride), name="spatial")(x)
    x = BatchNorm(dtype=self.dtype, name="bn")(x, train=train, mask=mask)
    temporal = conv(self.features, (3, 1, 1), (self.stride, 1), name="temporal")
    return temporal(jax.nn.relu(x))


class R2Plus1D(R3D):
  """R(2+1)D; R2Plus1D18 is at the bottom of this file.

  Each convolution of 3x3x3 of `R3D` is two with as many weights; in a block
  both have the channels between them that the block's first one asks for, as in
  the authors' code and torchvision's. Paths as there, and within a convolution
  spatial, bn, temporal; in the stem conv1, spatial_bn and temporal.

  Attributes:
    num_classes, stages, width, dtype: as of `R3D`.
    stem: "published", 1x7x7 with half the height and width, or "small", 1x3x3;
      then 3x1x1.
    stem_middle: channels between the stem's two.
  """

  stem_middle: int = 45

  def _stem(self, x: Array, norm: Callable[[str], Layer]) -> Array:
    side, stride = (7, 2) if self.stem == "published" else (3, 1)
    conv = functools.partial(Conv3D, dtype=self.dtype)
    first = conv(self.stem_middle, (1, side, side), (1, stride), name="conv1")
    x = jax.nn.relu(norm("spatial_bn")(first(x)))
    return conv(self.width, (3, 1, 1), name="temporal")(x)

  def _unit(self, **call: Any) -> Callable[..., Layer]:
    """Returns what makes a convolution in two."""

    def make(features: int, stride: int, middle: int, name: str) -> Layer:
      layer = Conv2Plus1D(features, middle, stride, self.dtype, name=name)
      return functools.partial(layer, **call)

    return make


R2Plus1D18 = functools.partial(R2Plus1D, stages=(2, 2, 2, 2))
