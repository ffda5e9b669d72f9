"""Encoders and decoders, dense and convolutional, and autoencoders of them."""

from collections.abc import Callable, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.layers.conv import Conv
from vision_jax.layers.dense import Dense
from vision_jax.layers.upsample import TransposedConv
from vision_jax.ops.shapes import check_shape

Activation = Callable[[Array], Array]
_GLOROT = nn.initializers.glorot_uniform()


class DenseEncoder(nn.Module):
  """Flattens images and maps them to a code; paths dense1, ..., head.

  With several heads each gives its part of the code, as where the mean and the
  deviation of a latent have a layer each.

  Attributes:
    features: size of the code, d.
    hidden: features of the layers in between.
    activation: after each of those.
    dtype: type to compute in; parameters and the heads are float32.
    heads: names of the last layers, which share the features equally.
  """

  features: int
  hidden: Sequence[int] = (200, 200)
  activation: Activation = jax.nn.relu
  dtype: DTypeLike = jnp.float32
  heads: Sequence[str] = ("head",)

  @nn.compact
  def __call__(self, x: Array, context: Array | None = None) -> Array:
    """Maps x (b, h, w, c) and context (b, k) to a code (b, d) float32."""
    x = join(x.reshape(x.shape[0], -1), context)
    x = _dense(x, self.hidden, self.activation, self.dtype)
    part = self.features // len(self.heads)
    return jnp.concatenate([_head(part, n)(x) for n in self.heads], -1)


class DenseDecoder(nn.Module):
  """Maps a code to numbers for each pixel; paths dense1, ..., head.

  Attributes:
    shape: (h, w, c) of the result.
    hidden: features of the layers in between.
    activation: after each of those.
    dtype: type to compute in; parameters and the head are float32.
  """

  shape: Sequence[int]
  hidden: Sequence[int] = (200, 200)
  activation: Activation = jax.nn.relu
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, z: Array, context: Array | None = None) -> Array:
    """Maps z (b, d) and context (b, k) to (b, h, w, c) float32."""
    h, w, c = self.shape
    x = _dense(join(z, context), self.hidden, self.activation, self.dtype)
    return _head(h * w * c)(x).reshape(-1, h, w, c)


class ConvEncoder(nn.Module):
  """Convolutions of stride 2, and a linear map; paths conv1, ..., head.

  Attributes:
    features: size of the code, d.
    widths: features of the convolutions; each halves the image.
    activation: after each of those.
    dtype: type to compute in; parameters and the head are float32.
  """

  features: int
  widths: Sequence[int] = (32, 64)
  activation: Activation = jax.nn.relu
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, x: Array, context: Array | None = None) -> Array:
    """Maps x (b, h, w, c) and context (b, k) to a code (b, d) float32."""
    b, h, w, _ = check_shape("image", x, "b h w c")
    check_halves((h, w), len(self.widths))
    for i, width in enumerate(self.widths, 1):
      conv = Conv(
        width, 4, 2, 1, use_bias=True, dtype=self.dtype, name=f"conv{i}"
      )
      x = self.activation(conv(x))
    x = join(x.reshape(b, -1), context)
    return _head(self.features)(x)


class ConvDecoder(nn.Module):
  """A linear map, and transposed convolutions; paths dense1, conv1, ...

  Attributes:
    shape: (h, w, c) of the result.
    widths: features before each transposed convolution, which doubles the map.
    activation: after all but the last.
    dtype: type to compute in; parameters and the last layer are float32.
  """

  shape: Sequence[int]
  widths: Sequence[int] = (64, 32)
  activation: Activation = jax.nn.relu
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, z: Array, context: Array | None = None) -> Array:
    """Maps z (b, d) and context (b, k) to (b, h, w, c) float32."""
    (h, w, c), times = self.shape, len(self.widths)
    check_halves((h, w), times)
    h, w = h >> times, w >> times
    first = Dense(h * w * self.widths[0], dtype=self.dtype, name="dense1")
    x = self.activation(first(join(z, context)))
    x = x.reshape(-1, h, w, self.widths[0])
    for i, width in enumerate((*self.widths[1:], c), 1):
      dtype = self.dtype if i < times else jnp.float32
      conv = TransposedConv(width, 4, 2, dtype=dtype, name=f"conv{i}")
      x = conv(x)[:, 1:-1, 1:-1]  # as torch's padding of 1: twice the size
      x = self.activation(x) if i < times else x
    return x


class Autoencoder(nn.Module):
  """An encoder and a decoder; paths encoder, decoder.

  Attributes:
    encoder: image -> code (b, d).
    decoder: code -> image.
  """

  encoder: nn.Module
  decoder: nn.Module

  def __call__(
    self, x: Array, *, train: bool = False, mask: Array | None = None
  ) -> Array:
    """Maps images x (b, h, w, c) to their reconstructions."""
    return self.decode(self.encode(x))

  def encode(self, x: Array) -> Array:
    """Maps images x (b, h, w, c) to codes (b, d)."""
    return self.encoder(x)

  def decode(self, z: Array) -> Array:
    """Maps codes z (b, d) to images (b, h, w, c)."""
    return self.decoder(z)


def linear_autoencoder(shape: Sequence[int], features: int) -> Autoencoder:
  """No hidden layer and nothing nonlinear: its optimum spans PCA's subspace.

  Baldi and Hornik (1989), Neural Networks 2, 53-58.
  """
  return Autoencoder(
    DenseEncoder(features, hidden=()), DenseDecoder(shape, hidden=())
  )


def _dense(x: Array, hidden: Sequence[int], activation, dtype) -> Array:
  for i, features in enumerate(hidden, 1):
    layer = Dense(features, dtype=dtype, kernel_init=_GLOROT, name=f"dense{i}")
    x = activation(layer(x))
  return x


def _head(features: int, name: str = "head") -> Dense:
  return Dense(features, kernel_init=_GLOROT, name=name)


def join(x: Array, context: Array | None) -> Array:
  """Appends context (b, k) to x (b, d), where there is some."""
  if context is None:
    return x
  return jnp.concatenate([x, context.astype(x.dtype)], -1)


def check_halves(size: tuple[int, int], times: int) -> None:
  """Checks that an image of that (h, w) halves so many times.

  Raises:
    UserError: if a side is not divisible.
  """
  if any(n % 2**times for n in size):
    raise UserError(
      f"image: got {size[0]} x {size[1]} and {times} widths, each of which "
      f"halves the image; expected sides divisible by {2**times}."
    )
