"""EDSR: residual blocks without normalisation, on colours about their mean."""

import functools
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.layers.conv import Conv
from vision_jax.layers.upsample import pixel_shuffle
from vision_jax.ops.shapes import check_shape

FACTORS = {2: (2,), 3: (3,), 4: (2, 2), 8: (2, 2, 2)}
DIV2K = (0.4488, 0.4371, 0.4040)  # mean colours


class EDSR(nn.Module):
  """EDSR-baseline (Lim et al., 2017), arxiv.org/abs/1707.02921.

  1,369,859 parameters at scale 2, 1,554,499 at 3, 1,517,571 at 4. The large one
  has a width of 256, 32 blocks and a residual scale of 0.1. Paths conv_first,
  block1 ... (conv1, conv2), conv_body, up1 ..., conv_last.

  Attributes:
    scale: how many times larger images become: 2, 3, 4 or 8.
    channels: of the images.
    width: features.
    blocks: residual ones.
    residual_scale: of what a block adds.
    mean: colours that are taken away first, and added at the end; () for none.
    peak: what white is inside, 255 as the authors'.
    dtype: type to compute in; parameters and the last convolution are
      float32.
  """

  scale: int = 2
  channels: int = 3
  width: int = 64
  blocks: int = 16
  residual_scale: float = 1.0
  mean: Sequence[float] = DIV2K
  peak: float = 255.0
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool, mask: Array | None = None
  ) -> Array:
    """Maps images x (b, h, w, c) in [0, 1] to (b, scale h, scale w, c)."""
    del train, mask
    check_shape("image", x, f"b h w {self.channels}")
    factors = factors_of("EDSR", self.scale)
    conv = functools.partial(Conv, use_bias=True, dtype=self.dtype)
    mean = np.array(self.mean or (0.0,), np.float32)
    x = (x.astype(jnp.float32) - mean) * self.peak
    first = y = conv(self.width, name="conv_first")(x)
    for i in range(1, self.blocks + 1):
      y = Residual(
        *(self.width, self.residual_scale, self.dtype), name=f"block{i}"
      )(y)
    y = first + conv(self.width, name="conv_body")(y)
    for i, factor in enumerate(factors, 1):
      y = conv(self.width * factor**2, name=f"up{i}")(y)
      y = pixel_shuffle(y, factor)
    y = Conv(self.channels, use_bias=True, name="conv_last")(y)
    return y / self.peak + mean


class Residual(nn.Module):
  """Two 3x3 convolutions beside a shortcut; paths conv1, conv2.

  Attributes:
    width: channels in and out.
    scale: of what it adds.
    dtype: type to compute in.
  """

  width: int
  scale: float
  dtype: DTypeLike

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps x (b, h, w, width) to the same shape."""
    conv = functools.partial(Conv, self.width, use_bias=True, dtype=self.dtype)
    y = conv(name="conv2")(jax.nn.relu(conv(name="conv1")(x)))
    return x + self.scale * y


def factors_of(net: str, scale: int) -> tuple[int, ...]:
  """Returns by how much each of a net's steps enlarges.

  Raises:
    UserError: for a scale that the net is not there for.
  """
  if scale not in FACTORS:
    raise UserError(
      f"{net}: got scale {scale}; expected one of "
      f"{', '.join(map(str, FACTORS))}, which the net is there for."
    )
  return FACTORS[scale]
