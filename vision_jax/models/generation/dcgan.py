"""DCGAN's generator and discriminator; see `gan` for what they take."""

import functools
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.layers.conv import Conv
from vision_jax.layers.dense import Dense
from vision_jax.layers.norm import BatchNorm
from vision_jax.layers.spectral_norm import SpectralConv, SpectralDense
from vision_jax.layers.upsample import TransposedConv
from vision_jax.models.generation.autoencoder import check_halves, join
from vision_jax.models.generation.gan import one_hot
from vision_jax.ops.shapes import check_shape

_DCGAN = nn.initializers.normal(0.02)
NORMS = ("batch", "spectral", "none")


class DCGANGenerator(nn.Module):
  """Radford et al., https://arxiv.org/abs/1511.06434, figure 1.

  A linear map of z (and the class) to a small map, then transposed 4x4
  convolutions that double it, each with BatchNorm and ReLU before it.

  Attributes:
    shape: (h, w, c) of the images.
    latent: size of z.
    widths: features before each transposed convolution.
    num_classes: k of a conditional generator, else 0.
    dtype: type to compute in; parameters and the last layer are float32.
  """

  shape: Sequence[int]
  latent: int = 100
  widths: Sequence[int] = (256, 128, 64)
  num_classes: int = 0
  dtype: DTypeLike = jnp.float32

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
    x = join(z, one_hot(label, self.num_classes))
    init = {"dtype": self.dtype, "kernel_init": _DCGAN}
    conv = functools.partial(TransposedConv, kernel=4, stride=2, **init)
    norm = functools.partial(BatchNorm, dtype=self.dtype)
    size = h * w * self.widths[0]
    x = Dense(size, use_bias=False, **init, name="dense1")(x)
    x = x.reshape(-1, h, w, self.widths[0])
    for i, width in enumerate((*self.widths[1:], c), 1):
      x = jax.nn.relu(norm(name=f"bn{i}")(x, train=train, mask=mask))
      last = {"use_bias": True, "dtype": jnp.float32} if i == times else {}
      x = conv(width, **({"use_bias": False} | last), name=f"conv{i}")(x)
      x = x[:, 1:-1, 1:-1]  # as torch's padding of 1: twice the size
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
    dtype: type to compute in; parameters and the head are float32.
  """

  widths: Sequence[int] = (64, 128, 256)
  num_classes: int = 0
  norm: str = "batch"
  dtype: DTypeLike = jnp.float32

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
      classes = one_hot(label, self.num_classes)
      vector = self._linear(classes, x.shape[-1], "classes", train, bias=False)
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
