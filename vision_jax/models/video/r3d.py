"""R3D: a residual net whose convolutions see space and time together.

Tran et al. (2018), "A Closer Look at Spatiotemporal Convolutions for Action
Recognition".
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.checks import check_name
from vision_jax.core.types import Array
from vision_jax.layers.conv3d import Conv3D
from vision_jax.layers.dense import Dense
from vision_jax.layers.norm import BatchNorm
from vision_jax.ops.shapes import check_shape

Layer = Callable[[Array], Array]


class Block(nn.Module):
  """Two convolutions and a shortcut; paths conv1, bn1, ..., projection.

  Attributes:
    features: channels of both convolutions.
    stride: step of the first one along time, height and width.
    unit: (features, stride, middle, name) -> a convolution of 3x3x3, whole or
      in two.
    norm: name -> BatchNorm.
    dtype: type to compute in.
  """

  features: int
  stride: int
  unit: Callable[..., Layer]
  norm: Callable[[str], Layer]
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps x (b, t, h, w, c) to (b, t', h', w', d)."""
    c, d = x.shape[-1], self.features
    middle = c * d * 27 // (9 * c + 3 * d)  # as many weights as 3x3x3 has
    y = self.unit(d, self.stride, middle, "conv1")(x)
    y = jax.nn.relu(self.norm("bn1")(y))
    y = self.norm("bn2")(self.unit(d, 1, middle, "conv2")(y))
    if self.stride > 1 or c != d:
      stride = (self.stride, self.stride)
      conv = Conv3D(d, 1, stride, dtype=self.dtype, name="projection")
      x = self.norm("projection_bn")(conv(x))
    return jax.nn.relu(x + y)


class R3D(nn.Module):
  """R3D, with torchvision's stem; R3D18 is at the bottom of this file.

  Paths follow those of `ResNet`: conv1, bn1, conv2_1, conv2_2, ..., fc.

  Attributes:
    num_classes: k.
    stages: blocks in each stage; each but the first halves time, height and
      width, and doubles the features.
    width: features of the first stage.
    stem: "published", 3x7x7 with half the height and width, or "small", 3x3x3,
      for small images.
    dtype: type to compute in; parameters and the head are float32.
  """

  num_classes: int
  stages: Sequence[int] = (2, 2, 2, 2)
  width: int = 64
  stem: str = "published"
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool, mask: Array | None = None
  ) -> Array:
    """Maps clips x (b, t, h, w, c) to logits (b, k) float32."""
    check_shape("clips", x, "b t h w c")
    check_name("stem", self.stem, ("published", "small"))

    def norm(name: str) -> Layer:
      layer = BatchNorm(dtype=self.dtype, name=name)
      return functools.partial(layer, train=train, mask=mask)

    how = {"norm": norm, "dtype": self.dtype}
    x = jax.nn.relu(norm("bn1")(self._stem(x, norm)))
    unit = self._unit(train=train, mask=mask)
    for stage, blocks in enumerate(self.stages):
      for i in range(blocks):
        stride = 2 if stage and not i else 1
        name = f"conv{stage + 2}_{i + 1}"
        width = self.width * 2**stage
        x = Block(width, stride, unit=unit, name=name, **how)(x)
    x = jnp.mean(x, axis=(1, 2, 3), dtype=jnp.float32)
    return Dense(self.num_classes, name="fc")(x)

  def _stem(self, x: Array, norm: Callable[[str], Layer]) -> Array:
    del norm  # there is none within
    large = self.stem == "published"
    kernel, stride = ((3, 7, 7), 2) if large else (3, 1)
    return Conv3D(
      self.width, kernel, (1, stride), dtype=self.dtype, name="conv1"
    )(x)

  def _unit(self, **call: Any) -> Callable[..., Layer]:
    """Returns what makes a convolution of 3x3x3."""
    del call
    return lambda features, stride, middle, name: Conv3D(
      features, 3, (stride, stride), dtype=self.dtype, name=name
    )


R3D18 = functools.partial(R3D, stages=(2, 2, 2, 2))
