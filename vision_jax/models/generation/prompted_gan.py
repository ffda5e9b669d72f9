"""A generator and a discriminator that are given words, at their places."""

import functools
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.conv import Conv
from vision_jax.layers.dense import Dense
from vision_jax.layers.norm import BatchNorm
from vision_jax.layers.upsample import TransposedConv
from vision_jax.models.generation.word_canvas import WordCanvas
from vision_jax.ops.shapes import check_shape


class PromptedGenerator(nn.Module):
  """Draws an image of what tokens say, from the grid of places upwards.

  A map of z and what the words say of each place are mixed by a convolution;
  then DCGAN's layers double it, https://arxiv.org/abs/1511.06434. Paths words,
  dense, mix, and bn, conv of each doubling.

  Attributes:
    channels: of the images, which are as many times the grid as there are
      doublings.
    words: what reads the tokens.
    latent: size of z.
    widths: features before each doubling.
    dtype: type to compute in; parameters and the last layer are float32.
  """

  channels: int
  words: WordCanvas
  latent: int = 64
  widths: Sequence[int] = (128, 64)
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self,
    z: Array,
    tokens: Array | None = None,
    *,
    train: bool,
    mask: Array | None = None,
  ) -> Array:
    """Maps z (b, d) and tokens int (b, l) to images (b, h, w, c) float32.

    Raises:
      UserError: if there are no tokens.
    """
    rows, columns = self.words.grid
    found, width = self.words(tokens, train=train), self.widths[0]
    how = {"dtype": self.dtype}
    x = Dense(rows * columns * width, **how, name="dense")(z)
    x = jnp.concatenate([x.reshape(-1, rows, columns, width), found], -1)
    x = Conv(width, 3, padding=1, use_bias=False, **how, name="mix")(x)
    for i, features in enumerate((*self.widths[1:], self.channels), 1):
      norm = BatchNorm(**how, name=f"bn{i}")
      x = jax.nn.relu(norm(x, train=train, mask=mask))
      last = {"use_bias": True, "dtype": jnp.float32}
      options = last if i == len(self.widths) else {"use_bias": False, **how}
      x = TransposedConv(features, 4, 2, **options, name=f"conv{i}")(x)
      x = x[:, 1:-1, 1:-1]  # twice the size
    return jnp.tanh(x)


class PromptedDiscriminator(nn.Module):
  """Judges whether an image is real, and is what tokens say.

  Convolutions of stride 2 lead to the grid of places, where an image's features
  are multiplied with what the words say of the place: the projection of
  https://arxiv.org/abs/1802.05637, of places in place of classes. There is no
  norm, so that a gradient's norm can be penalised. Paths words, conv1, ...,
  mix, head.

  Attributes:
    words: what reads the tokens; its features are compared.
    widths: features of the convolutions.
    dtype: type to compute in; parameters and logits are float32.
  """

  words: WordCanvas
  widths: Sequence[int] = (64, 128)
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self,
    x: Array,
    tokens: Array | None = None,
    *,
    train: bool,
    mask: Array | None = None,
  ) -> Array:
    """Maps images x (b, h, w, c) and tokens int (b, l) to logits (b,) float32.

    Raises:
      UserError: if there are no tokens.
      ValueError: if images are not of the grid's sides times two for each
        convolution.
    """
    del mask  # no example sees another
    h, w = (n << len(self.widths) for n in self.words.grid)
    check_shape("image", x, f"b {h} {w} c")
    words = self.words(tokens, train=train)
    act = functools.partial(jax.nn.leaky_relu, negative_slope=0.2)
    conv = functools.partial(Conv, dtype=self.dtype)
    for i, features in enumerate(self.widths, 1):
      x = act(conv(features, 4, 2, 1, name=f"conv{i}")(x))
    x = act(conv(self.widths[-1], 3, padding=1, name="mix")(x))
    seen = conv(self.words.features, 1, name="seen")(x).astype(jnp.float32)
    fits = jnp.mean(jnp.sum(seen * words.astype(jnp.float32), -1), (1, 2))
    return fits + Dense(1, name="head")(x.reshape(len(x), -1))[:, 0]
