"""The autoencoders of latent diffusion (Rombach et al., arXiv 2112.10752).

One has normal codes, which a divergence keeps near the standard normal ones;
the other, VQGAN's (Esser et al., arXiv 2012.09841), the vectors of a codebook.
Images are in [-1, 1]. Defaults are diffusers', with Stable Diffusion's widths.
"""

from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.conv import Conv
from vision_jax.models.generation.codebook import Codebook
from vision_jax.models.generation.latent_stages import halves

# log variance, beyond which exp says nothing.
LEAST, MOST = -30.0, 20.0


class AutoencoderKL(nn.Module):
  """Images as normal distributions of maps; paths encoder, moments, ...

  Attributes:
    channels: of the images, c.
    features: channels of a code, d.
    widths: channels at each resolution, of which all but one halve the image.
    blocks: residual blocks at each resolution, one more on the way up.
    groups: number of groups of group normalization.
    attention: whether there is attention at the smallest resolution.
    mixed: whether a 1x1 convolution follows the encoder, and another leads to
      the decoder.
    remat: what blocks compute again in the backward pass, see `layers.remat`.
    dtype: type to compute in; parameters, codes and images are float32.
  """

  channels: int = 3
  features: int = 4
  widths: Sequence[int] = (128, 256, 512, 512)
  blocks: int = 2
  groups: int = 32
  attention: bool = True
  mixed: bool = True
  remat: str = "none"
  dtype: DTypeLike = jnp.float32

  def setup(self):
    self.encoder, self.decoder = halves(self, 2 * self.features)
    if self.mixed:
      self.moments = Conv(2 * self.features, 1, use_bias=True)
      self.mixing = Conv(self.features, 1, use_bias=True)

  def __call__(
    self, x: Array, *, train: bool = False, mask: Array | None = None
  ) -> Array:
    """Maps images x (b, h, w, c) to what their mean codes decode to."""
    del train, mask
    return self.decode(self.latent(x))

  def encode(self, x: Array) -> tuple[Array, Array]:
    """Returns the mean and the log deviation of the code, (b, h', w', d)."""
    x = self.encoder(x)
    mean, variance = jnp.split(self.moments(x) if self.mixed else x, 2, -1)
    return mean, jnp.clip(variance, LEAST, MOST) / 2

  def latent(self, x: Array) -> Array:
    """Maps images to what stands for them elsewhere: their mean codes."""
    return self.encode(x)[0]

  def decode(self, z: Array) -> Array:
    """Maps codes z (b, h', w', d) to images (b, h, w, c) float32."""
    return self.decoder(self.mixing(z) if self.mixed else z)


class VQModel(nn.Module):
  """VQGAN's autoencoder; paths encoder, projection, codebook, mixing, decoder.

  Attributes:
    channels: of the images, c.
    size: number of the codebook's vectors, k.
    features: of a vector, d.
    latent_channels: of what the encoder gives, and the decoder takes.
    widths: channels at each resolution, of which all but one halve the image.
    blocks: residual blocks at each resolution, one more on the way up.
    groups: number of groups of group normalization.
    attention: whether there is attention at the smallest resolution.
    learned: whether the codebook is a parameter, as in the paper.
    remat: what blocks compute again in the backward pass, see `layers.remat`.
    dtype: type to compute in; parameters, codes and images are float32.
  """

  channels: int = 3
  size: int = 8192
  features: int = 3
  latent_channels: int = 3
  widths: Sequence[int] = (128, 256, 512)
  blocks: int = 2
  groups: int = 32
  attention: bool = True
  learned: bool = True
  remat: str = "none"
  dtype: DTypeLike = jnp.float32

  def setup(self):
    self.encoder, self.decoder = halves(self, self.latent_channels)
    self.projection = Conv(self.features, 1, use_bias=True)
    self.codebook = Codebook(self.size, self.features, self.learned)
    self.mixing = Conv(self.latent_channels, 1, use_bias=True)

  def __call__(
    self, x: Array, *, train: bool = False, mask: Array | None = None
  ) -> Array:
    """Maps images x (b, h, w, c) to their reconstructions."""
    del train, mask
    return self.decode(self.encode(x))

  def encode(self, x: Array) -> Array:
    """Maps images to what is quantised, (b, h', w', d) float32."""
    return self.projection(self.encoder(x))

  def latent(self, x: Array) -> Array:
    """Maps images to what stands for them elsewhere: as `encode`."""
    return self.encode(x)

  def quantise(self, z: Array) -> tuple[Array, Array]:
    """Returns the nearest vectors of z (..., d), and codes int32 (...)."""
    return self.codebook(z)

  def lookup(self, codes: Array) -> Array:
    """Returns the vectors (..., d) of codes int (...)."""
    return self.codebook.lookup(codes)

  def draw(self, z: Array) -> Array:
    """Maps vectors z (b, h', w', d) to images (b, h, w, c) float32."""
    return self.decoder(self.mixing(z))

  def decode(self, z: Array) -> Array:
    """Draws the vectors nearest to z."""
    return self.draw(self.quantise(z)[0])
