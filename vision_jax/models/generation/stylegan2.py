"""StyleGAN2's generator: a style that each layer is given, and noise."""

import functools
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.conv import convolve
from vision_jax.layers.equalized import EqualDense, equal_kernel, leaky
from vision_jax.models.generation.autoencoder import check_halves
from vision_jax.models.generation.gan import one_hot
from vision_jax.ops.binomial import blur, upsample
from vision_jax.ops.diffusion.noise import normals

RATE = 0.01  # of the dense layers, as a share of the other layers'


class ModulatedConv(nn.Module):
  """A convolution whose inputs a style scales, and whose outputs are normed.

  Equations 1 to 3 of the paper: to scale an input is to scale the kernel, and
  an output is divided by what the norm of its kernel is then.

  Attributes:
    features: of the output.
    kernel: its side, odd.
    up: whether the map becomes twice as large, smoothed.
    demodulate: whether outputs are normed.
    dtype: type to compute in; parameters and norms are float32.
  """

  features: int
  kernel: int = 3
  up: bool = False
  demodulate: bool = True
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, x: Array, w: Array) -> Array:
    """Maps x (b, h, w, d) and an intermediate latent w (b, s) to maps."""
    kernel = equal_kernel(self, self.kernel, x.shape[-1], self.features)
    style = EqualDense(x.shape[-1], bias=1.0, name="style")(w)
    x = (x * style[:, None, None].astype(x.dtype)).astype(self.dtype)
    if self.up:
      y = blur(_transposed(x, kernel), 1, gain=4.0)
    else:
      y = convolve(x, kernel, padding=self.kernel // 2)
    if not self.demodulate:
      return y
    square = jnp.sum(kernel**2, (0, 1))
    norm = jax.lax.rsqrt(jnp.square(style) @ square + 1e-8)
    return y * norm[:, None, None].astype(y.dtype)


def _transposed(x: Array, kernel: Array) -> Array:
  """Spreads x (b, h, w, d) with steps of two: 2h + 1 pixels of h."""
  side = kernel.shape[0] - 1
  return jax.lax.conv_general_dilated(
    x,
    kernel.astype(x.dtype),
    (1, 1),
    [(side, side)] * 2,
    lhs_dilation=(2, 2),
    dimension_numbers=("NHWC", "HWIO", "NHWC"),
  )


class StyledLayer(nn.Module):
  """A modulated convolution, noise, a bias and leaky ReLU."""

  features: int
  up: bool = False
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, x: Array, w: Array, keys: Array | None, number: int):
    """Maps x (b, h, w, d) to maps; `keys` (b,) draw noise, None has none."""
    conv = ModulatedConv(self.features, up=self.up, dtype=self.dtype)
    x = conv(x, w)
    strength = self.param("strength", nn.initializers.zeros, ())
    bias = self.param("bias", nn.initializers.zeros, (self.features,))
    if keys is not None:
      noise = normals(keys, number, (*x.shape[1:3], 1))
      x = x + (strength * noise).astype(x.dtype)
    return leaky(x + bias.astype(x.dtype))


class Mapping(nn.Module):
  """Dense layers from z, and the class, to the intermediate latent w.

  Attributes:
    latent: size of both.
    depth: how many layers.
    num_classes: k where classes are given, else 0.
  """

  latent: int
  depth: int = 8
  num_classes: int = 0

  @nn.compact
  def __call__(self, z: Array, label: Array | None = None) -> Array:
    """Maps z (b, d) and classes (b,) to w (b, d) float32."""
    x = _unit(z)
    if self.num_classes:
      dense = EqualDense(self.latent, use_bias=False, name="classes")
      classes = dense(one_hot(label, self.num_classes))
      x = jnp.concatenate([x, _unit(classes)], -1)
    for i in range(1, self.depth + 1):
      x = leaky(EqualDense(self.latent, rate=RATE, name=f"dense{i}")(x))
    return x


class Synthesis(nn.Module):
  """From a constant to an image, each layer in the style of its own w.

  Attributes: as the generator's.
  """

  shape: Sequence[int]
  widths: Sequence[int]
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, w: Array, keys: Array | None = None) -> Array:
    """Draws images (b, h, w, c) float32, of no certain range.

    Args:
      w: (b, l, d), of each layer.
      keys: (b,), of the noise; None leaves it out.
    """
    h, width, c = self.shape
    times = len(self.widths) - 1
    check_halves((h, width), times)
    small = (h >> times, width >> times, self.widths[0])
    x = self.param("constant", nn.initializers.normal(1.0), small)
    x = jnp.broadcast_to(x, (len(w), *small)).astype(self.dtype)
    image = jnp.zeros((1, 1, 1, 1), jnp.float32)
    for i, features in enumerate(self.widths):
      layer = functools.partial(StyledLayer, features, dtype=self.dtype)
      if i:
        up = layer(up=True, name=f"up{i}")
        x = up(x, w[:, 2 * i - 1], keys, 2 * i - 1)
        image = upsample(image)
      x = layer(name=f"conv{i}")(x, w[:, 2 * i], keys, 2 * i)
      image = image + _Pixels(c, name=f"pixels{i}")(x, w[:, 2 * i + 1])
    return image


class StyleGAN2Generator(nn.Module):
  """Karras et al., 2020, https://arxiv.org/abs/1912.04958, figure 7 b.

  Dense layers map z to w; from a constant, each size of map has two modulated
  convolutions (the smallest has one), and what it adds to the image. Layers are
  counted from the smallest map on; pixels have the w of the layer after them,
  or the last. Differs: the smallest map is h / 2^n by w / 2^n, with n + 1
  `widths`. Paths mapping, synthesis.

  Attributes:
    shape: (h, w, c) of the images.
    latent: size of z, and of w.
    widths: features of the maps, smallest map first.
    depth: dense layers from z to w.
    num_classes: k of a conditional generator, else 0.
    dtype: type to compute in; parameters, w and pixels are float32.
  """

  shape: Sequence[int]
  latent: int = 512
  widths: Sequence[int] = (512, 512, 256, 128)
  depth: int = 8
  num_classes: int = 0
  dtype: DTypeLike = jnp.float32

  def setup(self):
    self.mapping = Mapping(self.latent, self.depth, self.num_classes)
    self.synthesis = Synthesis(self.shape, self.widths, self.dtype)

  @property
  def layers(self) -> int:
    """How many layers are given a w of their own."""
    return 2 * len(self.widths)

  def __call__(
    self,
    z: Array,
    label: Array | None = None,
    *,
    train: bool,
    mask: Array | None = None,
  ) -> Array:
    """Maps z (b, d) to images (b, h, w, c) float32, without noise."""
    del train, mask  # nothing is as it is in training alone
    return self.draw(self.spread(self.styles(z, label)))

  def styles(self, z: Array, label: Array | None = None) -> Array:
    """Maps z (b, d), and classes (b,), to w (b, d)."""
    return self.mapping(z, label)

  def spread(self, w: Array) -> Array:
    """Gives every layer the same w (b, d): (b, l, d)."""
    return jnp.repeat(w[:, None], self.layers, 1)

  def draw(self, w: Array, keys: Array | None = None) -> Array:
    """Draws images of each layer's w (b, l, d), see `Synthesis`."""
    return self.synthesis(w, keys)


class _Pixels(nn.Module):
  """What a map adds to the image: a modulated 1x1 convolution, and a bias."""

  channels: int

  @nn.compact
  def __call__(self, x: Array, w: Array) -> Array:
    conv = ModulatedConv(self.channels, 1, demodulate=False)
    bias = self.param("bias", nn.initializers.zeros, (self.channels,))
    return conv(x.astype(jnp.float32), w) + bias


def _unit(x: Array) -> Array:
  """Scales vectors (b, d) to a mean square of 1."""
  square = jnp.mean(jnp.square(x), -1, keepdims=True)
  return x * jax.lax.rsqrt(square + 1e-8)
