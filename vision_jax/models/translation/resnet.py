"""CycleGAN's generator: residual blocks at a quarter of the image's size."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.conv import Conv
from vision_jax.layers.upsample import TransposedConv
from vision_jax.models.translation.norms import INIT, has_bias, normalized
from vision_jax.models.translation.unet import check_sides

_HALVES = 2  # how often an image is halved


class ResNetGenerator(nn.Module):
  """ResNet-9 of CycleGAN (Zhu et al., 2017), arxiv.org/abs/1703.10593.

  11,378,179 parameters of colours in and out, width 64 and nine blocks, which
  the paper takes for images of 256 pixels and more (six for 128). Borders are
  mirrored, but for where the map's size changes. Paths conv_in, norm_in, down1,
  down_norm1 ..., block1 (conv1, norm1, conv2, norm2) ..., up1, up_norm1 ...,
  conv_out.

  Attributes:
    channels: of the result.
    width: features at the image's own size; they double with each halving.
    blocks: residual ones.
    norm: "instance", "instance_affine", "batch" or "none".
    kernel: side of the first and of the last kernel.
    nearest: whether pixels are repeated and convolved in the place of
      transposed convolutions, whose results show a grid; borders are then
      mirrored everywhere.
    dtype: type to compute in; parameters and the last layer are float32.
  """

  channels: int = 3
  width: int = 64
  blocks: int = 9
  norm: str = "instance"
  kernel: int = 7
  nearest: bool = False
  dtype: DTypeLike = jnp.float32

  @property
  def multiple(self) -> int:
    """What sides of images have to be divisible by."""
    return 2**_HALVES

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool, mask: Array | None = None
  ) -> Array:
    """Maps images x (b, h, w, c) to images (b, h, w, channels) in (-1, 1).

    Raises:
      UserError: for sides that are no multiple of four, or below eight.
    """
    check_sides("ResNetGenerator", x, self.multiple, least=2)
    more = {
      "use_bias": has_bias(self.norm),
      "kernel_init": INIT,
      "dtype": self.dtype,
    }
    normed = functools.partial(
      normalized, kind=self.norm, train=train, mask=mask, dtype=self.dtype
    )
    after = lambda x, name: jax.nn.relu(normed(x, name=name))
    border = self.kernel // 2
    ends = functools.partial(Conv, kernel=self.kernel, padding=0)
    x = ends(self.width, name="conv_in", **more)(mirrored(x, border))
    x = after(x, "norm_in")
    for i in range(1, _HALVES + 1):
      x = self._down(x, i, **more)
      x = after(x, f"down_norm{i}")
    for i in range(1, self.blocks + 1):
      block = ResidualBlock(
        x.shape[-1], self.norm, self.dtype, name=f"block{i}"
      )
      x = block(x, train=train, mask=mask)
    for i in range(1, _HALVES + 1):
      x = after(self._up(x, i, **more), f"up_norm{i}")
    last = more | {"use_bias": True, "dtype": jnp.float32}
    x = ends(self.channels, name="conv_out", **last)(mirrored(x, border))
    return jnp.tanh(x)

  def _down(self, x: Array, i: int, **more) -> Array:
    width = self.width * 2**i
    if self.nearest:
      x, more = mirrored(x, 1), more | {"padding": 0}
    return Conv(width, 3, 2, name=f"down{i}", **more)(x)

  def _up(self, x: Array, i: int, **more) -> Array:
    width = self.width * 2 ** (_HALVES - i)
    if self.nearest:
      x = mirrored(x.repeat(2, 1).repeat(2, 2), 1)
      return Conv(width, 3, padding=0, name=f"up{i}", **more)(x)
    x = TransposedConv(width, 3, 2, name=f"up{i}", **more)(x)
    # As torch's padding of 1 and output_padding of 1: twice the size.
    return x[:, 1:, 1:]


class ResidualBlock(nn.Module):
  """Two 3x3 convolutions with mirrored borders beside a shortcut.

  Paths conv1, norm1, conv2, norm2.

  Attributes:
    width: channels in and out.
    norm: "instance", "batch" or "none".
    dtype: type to compute in.
  """

  width: int
  norm: str
  dtype: DTypeLike

  @nn.compact
  def __call__(self, x: Array, *, train: bool, mask: Array | None) -> Array:
    """Maps x (b, h, w, width) to the same shape."""
    y = x
    for i in (1, 2):
      conv = Conv(
        *(self.width, 3, 1, 0),
        use_bias=has_bias(self.norm),
        dtype=self.dtype,
        kernel_init=INIT,
        name=f"conv{i}",
      )
      y = normalized(
        conv(mirrored(y, 1)),
        kind=self.norm,
        name=f"norm{i}",
        train=train,
        mask=mask,
        dtype=self.dtype,
      )
      y = jax.nn.relu(y) if i == 1 else y
    return x + y


# The transformer net of fast style (Johnson et al., 2016,
# arxiv.org/abs/1603.08155) with instance norm: 1,679,235 parameters.
StyleTransformer = functools.partial(
  ResNetGenerator,
  width=32,
  blocks=5,
  norm="instance_affine",
  kernel=9,
  nearest=True,
)


def mirrored(x: Array, pixels: int) -> Array:
  """Adds a border to x (b, h, w, c), mirrored at the centre of its own."""
  around = (pixels, pixels)
  return jnp.pad(x, ((0, 0), around, around, (0, 0)), mode="reflect")
