"""Atrous spatial pyramid pooling: what is around a place, near and far."""

from collections.abc import Callable, Sequence

import flax.linen as nn
import jax.numpy as jnp

from vision_jax.core.types import Array
from vision_jax.layers.broadcast import spread
from vision_jax.layers.conv import global_average
from vision_jax.layers.stochastic import Dropout

Layer = Callable[..., Callable[[Array], Array]]


class Aspp(nn.Module):
  """Convolutions of several dilations, and the whole map's mean, joined.

  Of DeepLab v3 (Chen et al., 2017). Paths near, far1, far2, ..., pooled,
  project.

  Attributes:
    features: of each branch, and of the result.
    rates: dilations of the 3x3 convolutions; twice as large for a map of half
      the stride.
    dropout: probability of zeroing a value of the result.
    layer: as `conv_norms` makes it.
    separable: whether the 3x3 convolutions are, see `SeparableConvNorm`.
  """

  features: int
  rates: Sequence[int]
  dropout: float
  layer: Layer
  separable: bool = False

  @nn.compact
  def __call__(self, x: Array, *, train: bool) -> Array:
    """Maps x (b, h, w, c) to (b, h, w, d)."""
    b, h, w, _ = x.shape
    far, d = around(self.layer, self.separable), self.features
    parts = [self.layer(d, 1, name="near")(x)]
    for i, rate in enumerate(self.rates, 1):
      parts.append(far(d, dilation=rate, name=f"far{i}")(x))
    mean = global_average(x)[:, None, None].astype(x.dtype)
    pooled = self.layer(d, 1, name="pooled")(mean)
    parts.append(spread(pooled, (b, h, w, d), x.dtype))
    joined = jnp.concatenate(parts, axis=-1)
    y = self.layer(d, 1, name="project")(joined)
    return Dropout(self.dropout)(y, train=train)


class SeparableConvNorm(nn.Module):
  """A 3x3 convolution of each channel, and one of 1x1 of them all.

  Normalised and rectified after both. Paths depthwise, pointwise.

  Attributes:
    features: of the result.
    layer: as `conv_norms` makes it.
    dilation: of the 3x3 convolution.
  """

  features: int
  layer: Layer
  dilation: int = 1

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps x (b, h, w, c) to (b, h, w, d)."""
    c, dilation = x.shape[-1], self.dilation
    x = self.layer(c, groups=c, dilation=dilation, name="depthwise")(x)
    return self.layer(self.features, 1, name="pointwise")(x)


def around(layer: Layer, separable: bool) -> Layer:
  """Returns what makes 3x3 convolutions: (features, dilation=, name=)."""
  if not separable:
    return layer
  return lambda features, **more: SeparableConvNorm(features, layer, **more)
