"""Pix2pix's generator: a U-Net whose lowest map is a single pixel."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.layers.conv import Conv
from vision_jax.layers.stochastic import Dropout
from vision_jax.layers.upsample import TransposedConv
from vision_jax.models.translation.norms import INIT, has_bias, normalized
from vision_jax.ops.shapes import check_shape

_WIDEST = 8  # times the width
_DROPPED = 3  # levels of the decoder with dropout, from the lowest on


class TranslationUNet(nn.Module):
  """U-Net 256 of pix2pix (Isola et al., 2017), arxiv.org/abs/1611.07004.

  54,413,955 parameters of colours in and out, width 64 and depth 8. Each level
  is a 4x4 convolution of stride 2, and a transposed one of as many that doubles
  the map. Paths down1 ... downN, down_norm2 ..., upN ... up1, up_norm2 ...

  Differs from the paper: dropout is of training alone.

  Attributes:
    channels: of the result.
    width: features of the first level; they double with each, up to 8 times.
    depth: how often an image is halved.
    dropout: of the three lowest levels of the decoder, as far as they are of
      the largest width.
    norm: "batch", "instance" or "none".
    per_image: whether BatchNorm takes each image's own moments with
      train=False, as the paper does with batches of one.
    dtype: type to compute in; parameters and the last layer are float32.
  """

  channels: int = 3
  width: int = 64
  depth: int = 8
  dropout: float = 0.5
  norm: str = "batch"
  per_image: bool = False
  dtype: DTypeLike = jnp.float32

  @property
  def multiple(self) -> int:
    """What sides of images have to be divisible by."""
    return 2**self.depth

  @property
  def widths(self) -> tuple[int, ...]:
    """The features of each level."""
    return tuple(
      self.width * min(2**level, _WIDEST) for level in range(self.depth)
    )

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool, mask: Array | None = None
  ) -> Array:
    """Maps images x (b, h, w, c) to images (b, h, w, channels) in (-1, 1).

    Raises:
      UserError: for sides that do not halve so often.
    """
    check_sides("TranslationUNet", x, self.multiple)
    normed = functools.partial(
      normalized,
      kind=self.norm,
      train=train,
      mask=mask,
      per_image=self.per_image,
      dtype=self.dtype,
    )
    across = self._down(x, normed)
    x = across.pop()
    for level in range(self.depth, 1, -1):
      x = normed(self._up(x, level), name=f"up_norm{level}")
      if self.depth - level < _DROPPED and x.shape[-1] == self.widths[-1]:
        x = Dropout(self.dropout)(x, train=train)
      x = jnp.concatenate([across.pop(), x], -1)
    return jnp.tanh(self._up(x, 1))

  def _down(self, x: Array, normed) -> list[Array]:
    """Returns the map of each level, before its activation."""
    maps = []
    for level, width in enumerate(self.widths, 1):
      conv = Conv(
        *(width, 4, 2, 1),
        use_bias=has_bias(self.norm),
        dtype=self.dtype,
        kernel_init=INIT,
        name=f"down{level}",
      )
      x = conv(jax.nn.leaky_relu(x, 0.2) if level > 1 else x)
      if 1 < level < self.depth:
        x = normed(x, name=f"down_norm{level}")
      maps.append(x)
    return maps

  def _up(self, x: Array, level: int) -> Array:
    last = level == 1
    conv = TransposedConv(
      *(self.channels if last else self.widths[level - 2], 4, 2),
      use_bias=last or has_bias(self.norm),
      dtype=jnp.float32 if last else self.dtype,
      kernel_init=INIT,
      name=f"up{level}",
    )
    # Cut as by torch's padding of 1: twice the size.
    return conv(jax.nn.relu(x))[:, 1:-1, 1:-1]


def check_sides(net: str, x: Array, multiple: int, least: int = 1) -> None:
  """Checks that the sides of images x (b, h, w, c) are multiples.

  Args:
    net: what an error names.
    x: the images.
    multiple: what sides have to be divisible by.
    least: how many times that they have to be.

  Raises:
    UserError: if they are not.
  """
  _, h, w, _ = check_shape("image", x, "b h w c")
  if h % multiple or w % multiple or min(h, w) < least * multiple:
    raise UserError(
      f"{net}: got images of {h} x {w}; expected sides divisible by "
      f"{multiple}, of {least * multiple} or more. Take another image_size, or "
      "a net that halves images less often."
    )
