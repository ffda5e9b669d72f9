"""Generators and discriminators: dense ones, and DCGAN's.

Generators map z (b, d) to images in (-1, 1); discriminators map images to a
logit each, (b,). With `num_classes` both take the label, int (b,).
"""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from vision_jax.core.shapes import check_shape
from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.layers.conv import Conv
from vision_jax.layers.dense import Dense
from vision_jax.layers.norm import BatchNorm
from vision_jax.layers.spectral_norm import SpectralConv, SpectralDense
from vision_jax.layers.upsample import TransposedConv
from vision_jax.models.generation.autoencoder import check_halves, join

_DCGAN = nn.initializers.normal(0.02)
NORMS = ("batch", "spectral", "none")


class DenseGenerator(nn.Module):
  """Dense layers with ReLU and a tanh at the end, on z and the class.

  Goodfellow et al. (2014), and Mirza & Osindero, arxiv.org/abs/1411.1784.

  Attributes:
    shape: (h, w, c) of the images.
    latent: size of z.
    hidden: features of the layers in between.
    num_classes: k of a conditional generator, else 0.
    dtype: to compute in; parameters and the head are float32.
  """

  shape: Sequence[int]
  latent: int = 64
  hidden: Sequence[int] = (128, 256)
  num_classes: int = 0
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(
    self,
    z: Array,
    label: Array | None = None,
    *,
    train: bool,
    mask: Array | None = None,
  ) -> Array:
    """Maps z (b, d) to images (b, h, w, c) float32."""
    h, w, c = self.shape
    x = join(z, _one_hot(label, self.num_classes))
    for i, features in enumerate(self.hidden, 1):
      dense = Dense(features, dtype=self.dtype, name=f"dense{i}")
      x = jax.nn.relu(dense(x))
    x = Dense(h * w * c, name="head")(x)
    return jnp.tanh(x).reshape(-1, h, w, c)


class DenseDiscriminator(nn.Module):
  """Dense layers with leaky ReLU on the pixels and the class.

  Attributes:
    hidden: features of the layers in between.
    num_classes: k of a conditional discriminator, else 0.
    dtype: to compute in; parameters and the head are float32.
  """

  hidden: Sequence[int] = (256, 128)
  num_classes: int = 0
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(
    self,
    x: Array,
    label: Array | None = None,
    *,
    train: bool,
    mask: Array | None = None,
  ) -> Array:
    """Maps images x (b, h, w, c) to logits (b,) float32."""
    x = join(x.reshape(x.shape[0], -1), _one_hot(label, self.num_classes))
    for i, features in enumerate(self.hidden, 1):
      dense = Dense(features, dtype=self.dtype, name=f"dense{i}")
      x = jax.nn.leaky_relu(dense(x), 0.2)
    return Dense(1, name="head")(x)[:, 0]


class DCGANGenerator(nn.Module):
  """Radford et al., https://arxiv.org/abs/1511.06434, figure 1.

  A linear map of z (and the class) to a small map, then transposed 4x4
  convolutions that double it, each with BatchNorm and ReLU before it.

  Attributes:
    shape: (h, w, c) of the images.
    latent: size of z.
    widths: features before each transposed convolution.
    num_classes: k of a conditional generator, else 0.
    dtype: to compute in; parameters and the last layer are float32.
  """

  shape: Sequence[int]
  latent: int = 100
  widths: Sequence[int] = (256, 128, 64)
  num_classes: int = 0
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(
    self,
    z: Array,
    label: Array | None = None,
    *,
    train: bool,
    mask: Array | None = None,
  ) -> Array:
    """Maps z (b, d) to images (b, h, w, c) float32."""
    (h, w, c), times = self.shape, len(self.widths)
    check_halves((h, w), times)
    h, w = h >> times, w >> times
    x = join(z, _one_hot(label, self.num_classes))
    x = Dense(
      h * w * self.widths[0],
      use_bias=False,
      dtype=self.dtype,
      kernel_init=_DCGAN,
      name="dense1",
    )(x)
    x = x.reshape(-1, h, w, self.widths[0])
    for i, width in enumerate((*self.widths[1:], c), 1):
      norm = BatchNorm(dtype=self.dtype, name=f"bn{i}")
      x = jax.nn.relu(norm(x, train=train, mask=mask))
      x = TransposedConv(
        width,
        4,
        2,
        use_bias=i == times,
        dtype=self.dtype if i < times else jnp.float32,
        kernel_init=_DCGAN,
        name=f"conv{i}",
      )(x)[:, 1:-1, 1:-1]  # as torch's padding of 1: twice the size
    return jnp.tanh(x)


class DCGANDiscriminator(nn.Module):
  """4x4 convolutions of stride 2 with leaky ReLU, and a linear map.

  DCGAN has BatchNorm after all but the first; a gradient penalty needs "none"
  or "spectral". A conditional one adds the product of the features with a
  vector of the class (https://arxiv.org/abs/1802.05637).

  Attributes:
    widths: features of the convolutions; each halves the image.
    num_classes: k of a conditional discriminator, else 0.
    norm: "batch", "spectral" or "none".
    dtype: to compute in; parameters and the head are float32.
  """

  widths: Sequence[int] = (64, 128, 256)
  num_classes: int = 0
  norm: str = "batch"
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(
    self,
    x: Array,
    label: Array | None = None,
    *,
    train: bool,
    mask: Array | None = None,
  ) -> Array:
    """Maps images x (b, h, w, c) to logits (b,) float32."""
    if self.norm not in NORMS:
      raise UserError(
        f"norm: got {self.norm!r}; expected one of {', '.join(NORMS)}."
      )
    b, h, w, _ = check_shape("image", x, "b h w c")
    check_halves((h, w), len(self.widths))
    for i, width in enumerate(self.widths, 1):
      x = self._conv(x, width, i, train)
      if self.norm == "batch" and i > 1:
        norm = BatchNorm(dtype=self.dtype, name=f"bn{i}")
        x = norm(x, train=train, mask=mask)
      x = jax.nn.leaky_relu(x, 0.2)
    x = x.reshape(b, -1)
    logit = self._linear(x, 1, "head", train)[:, 0]
    if self.num_classes:
      one_hot = _one_hot(label, self.num_classes)
      vector = self._linear(one_hot, x.shape[-1], "classes", train, bias=False)
      logit += jnp.sum(vector * x, -1)
    return logit

  def _conv(self, x: Array, width: int, i: int, train: bool) -> Array:
    options = {"dtype": self.dtype, "name": f"conv{i}"}
    if self.norm == "spectral":
      return SpectralConv(width, 4, 2, 1, **options)(x, train=train)
    bias = self.norm == "none" or i == 1
    init = _DCGAN if self.norm == "batch" else Conv.kernel_init
    conv = Conv(width, 4, 2, 1, use_bias=bias, kernel_init=init, **options)
    return conv(x)

  def _linear(
    self, x: Array, features: int, name: str, train: bool, bias: bool = True
  ) -> Array:
    options = {"use_bias": bias, "name": name}
    if self.norm == "spectral":
      return SpectralDense(features, **options)(x, train=train)
    return Dense(features, kernel_init=_DCGAN, **options)(x)


def _one_hot(label: Array | None, classes: int) -> Array | None:
  return jax.nn.one_hot(label, classes, dtype=jnp.float32) if classes else None
