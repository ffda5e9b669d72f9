"""The VQ-VAE: an autoencoder whose codes are the numbers of vectors."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.conv import Conv
from vision_jax.layers.upsample import TransposedConv
from vision_jax.models.generation.autoencoder import check_halves
from vision_jax.models.generation.codebook import Codebook
from vision_jax.ops.shapes import check_shape


class VQVAE(nn.Module):
  """Images as maps of codes: https://arxiv.org/abs/1711.00937, section 4.1.

  Strided convolutions and residual blocks down to a map, whose places become
  the nearest vectors of a codebook; the same in reverse up. Paths encoder,
  codebook, decoder. Defaults are the paper's, but for its 64 features.

  Attributes:
    channels: of the images, c.
    size: number of the codebook's vectors, k.
    features: of a vector, d.
    widths: features of the strided convolutions; each halves the image.
    hidden: features within a residual block.
    blocks: residual blocks, each way.
    learned: whether the codebook is a parameter, and no statistic.
    dtype: type to compute in; parameters, codes and images are float32.
  """

  channels: int = 3
  size: int = 512
  features: int = 64
  widths: Sequence[int] = (128, 256)
  hidden: int = 256
  blocks: int = 2
  learned: bool = False
  dtype: DTypeLike = jnp.float32

  def setup(self):
    widths, how = tuple(self.widths), (self.hidden, self.blocks, self.dtype)
    self.encoder = Encoder(self.features, widths, *how)
    self.codebook = Codebook(self.size, self.features, self.learned)
    self.decoder = Decoder(self.channels, widths[::-1], *how)

  def __call__(
    self, x: Array, *, train: bool = False, mask: Array | None = None
  ) -> Array:
    """Maps images x (b, h, w, c) to their reconstructions."""
    del train, mask
    return self.decode(self.encode(x))

  def encode(self, x: Array) -> Array:
    """Maps images to what is quantised, (b, h', w', d) float32."""
    return self.encoder(x)

  def quantise(self, z: Array) -> tuple[Array, Array]:
    """Returns the nearest vectors of z (..., d), and codes int32 (...)."""
    return self.codebook(z)

  def lookup(self, codes: Array) -> Array:
    """Returns the vectors (..., d) of codes int (...)."""
    return self.codebook.lookup(codes)

  def latent(self, x: Array) -> Array:
    """Maps images to what stands for them elsewhere: as `encode`."""
    return self.encode(x)

  def draw(self, z: Array) -> Array:
    """Maps vectors z (b, h', w', d) to images (b, h, w, c) float32."""
    return self.decoder(z)

  def decode(self, z: Array) -> Array:
    """Draws the vectors nearest to z."""
    return self.draw(self.quantise(z)[0])


class Encoder(nn.Module):
  """Paths conv1, ..., block1, ..., out."""

  features: int
  widths: Sequence[int]
  hidden: int
  blocks: int
  dtype: DTypeLike

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps x (b, h, w, c) to (b, h', w', features) float32."""
    _, h, w, _ = check_shape("image", x, "b h w c")
    check_halves((h, w), len(self.widths))
    for i, width in enumerate(self.widths, 1):
      conv = Conv(
        width, 4, 2, 1, use_bias=True, dtype=self.dtype, name=f"conv{i}"
      )
      x = conv(x) if i == len(self.widths) else jax.nn.relu(conv(x))
    x = _blocks(x, self.hidden, self.blocks, self.dtype)
    return Conv(self.features, 1, use_bias=True, name="out")(x)


class Decoder(nn.Module):
  """Paths conv_in, block1, ..., conv1, ...; the last layer is float32."""

  channels: int
  widths: Sequence[int]
  hidden: int
  blocks: int
  dtype: DTypeLike

  @nn.compact
  def __call__(self, z: Array) -> Array:
    """Maps z (b, h', w', d) to (b, h, w, channels) float32."""
    conv = Conv(self.widths[0], use_bias=True, dtype=self.dtype, name="conv_in")
    x = _blocks(conv(z), self.hidden, self.blocks, self.dtype)
    widths = (*self.widths[1:], self.channels)
    for i, width in enumerate(widths, 1):
      last = i == len(widths)
      dtype = jnp.float32 if last else self.dtype
      conv = TransposedConv(width, 4, 2, dtype=dtype, name=f"conv{i}")
      x = conv(x)[:, 1:-1, 1:-1]  # as torch's padding of 1: twice the size
      x = x if last else jax.nn.relu(x)
    return x


class Block(nn.Module):
  """A residual: ReLU, 3x3, ReLU, 1x1; paths conv1, conv2."""

  hidden: int
  dtype: DTypeLike

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps x (b, h, w, d) to the same shape."""
    conv1 = Conv(self.hidden, use_bias=True, dtype=self.dtype, name="conv1")
    conv2 = Conv(x.shape[-1], 1, use_bias=True, dtype=self.dtype, name="conv2")
    return x + conv2(jax.nn.relu(conv1(jax.nn.relu(x))))


def _blocks(x: Array, hidden: int, number: int, dtype: DTypeLike) -> Array:
  for i in range(1, number + 1):
    x = Block(hidden, dtype, name=f"block{i}")(x)
  return jax.nn.relu(x)
