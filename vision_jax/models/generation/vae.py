"""Variational autoencoders of one stochastic layer."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.models.generation.autoencoder import (
  Activation,
  ConvDecoder,
  ConvEncoder,
  DenseDecoder,
  DenseEncoder,
)


class VAE(nn.Module):
  """q(z | x) and p(x | z): Kingma & Welling, https://arxiv.org/abs/1312.6114.

  Attributes:
    encoder: (image, context) -> mean and log deviation of z, (b, 2d).
    decoder: (z, context) -> what the likelihood takes.
    num_classes: k of a conditional model, whose context is the class in
      one-hot form (https://arxiv.org/abs/1406.5298, M2); 0 for none.
  """

  encoder: nn.Module
  decoder: nn.Module
  num_classes: int = 0

  def __call__(
    self,
    x: Array,
    label: Array | None = None,
    *,
    train: bool = False,
    mask: Array | None = None,
  ) -> Array:
    """Decodes the mean of q(z | x) of images x (b, h, w, c)."""
    return self.decode(self.encode(x, label)[0], label)

  def encode(self, x: Array, label: Array | None = None) -> tuple[Array, Array]:
    """Returns the mean (b, d) and the log deviation (b, d) of q(z | x)."""
    mean, log_sd = jnp.split(self.encoder(x, self._context(label)), 2, -1)
    return mean, log_sd

  def decode(self, z: Array, label: Array | None = None) -> Array:
    """Returns the likelihood's numbers (b, h, w, outputs * c) of z (b, d)."""
    return self.decoder(z, self._context(label))

  @property
  def latent(self) -> int:
    """Size of z, d."""
    return self.encoder.features // 2

  def _context(self, label: Array | None) -> Array | None:
    if not self.num_classes:
      return None
    return jax.nn.one_hot(label, self.num_classes, dtype=jnp.float32)


def dense_vae(
  shape: Sequence[int],
  *,
  latent: int = 50,
  hidden: Sequence[int] = (200, 200),
  outputs: int = 1,
  activation: Activation = jnp.tanh,
  num_classes: int = 0,
  heads: Sequence[str] = ("head",),
  dtype: DTypeLike = jnp.float32,
) -> VAE:
  """The one-layer model of https://arxiv.org/abs/1509.00519 by default.

  For MNIST 784-200-200-50-200-200-784 with tanh.

  Args:
    shape: (h, w, c) of the images.
    latent: size of z.
    hidden: widths of the encoder's layers; the decoder has them in reverse.
    outputs: numbers a value, of the likelihood.
    activation: function after each hidden layer.
    num_classes: number of classes of a conditional model, else 0.
    heads: the encoder's last layers, such as ("mean", "log_sd").
    dtype: type to compute in.
  """
  h, w, c = shape
  return VAE(
    DenseEncoder(2 * latent, tuple(hidden), activation, dtype, heads),
    DenseDecoder((h, w, outputs * c), tuple(hidden)[::-1], activation, dtype),
    num_classes,
  )


def conv_vae(
  shape: Sequence[int],
  *,
  latent: int = 50,
  widths: Sequence[int] = (32, 64),
  outputs: int = 1,
  activation: Activation = jax.nn.relu,
  num_classes: int = 0,
  dtype: DTypeLike = jnp.float32,
) -> VAE:
  """Convolutions of stride 2 down, transposed ones up; see `dense_vae`."""
  h, w, c = shape
  return VAE(
    ConvEncoder(2 * latent, tuple(widths), activation, dtype),
    ConvDecoder((h, w, outputs * c), tuple(widths)[::-1], activation, dtype),
    num_classes,
  )
