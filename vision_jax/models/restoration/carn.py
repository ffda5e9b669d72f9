"""CARN-M: cascades of residual blocks that share their weights."""

import functools
from collections.abc import Callable, Sequence

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

MEAN = (0.4488, 0.4371, 0.4040)  # of DIV2K's colours
LENGTH = 3  # blocks in a cascade, and cascades


class EfficientResidual(nn.Module):
  """Two grouped 3x3 and a 1x1 convolution beside a shortcut.

  Paths conv1, conv2, conv3.

  Attributes:
    width: channels in and out.
    groups: of the 3x3 convolutions.
    dtype: type to compute in.
  """

  width: int
  groups: int
  dtype: DTypeLike

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps x (b, h, w, width) to the same shape."""
    conv = functools.partial(Conv, self.width, use_bias=True, dtype=self.dtype)
    y = jax.nn.relu(conv(groups=self.groups, name="conv1")(x))
    y = jax.nn.relu(conv(groups=self.groups, name="conv2")(y))
    return jax.nn.relu(x + conv(kernel=1, name="conv3")(y))


class Cascade(nn.Module):
  """Three times one and the same block, each on all that came before.

  Paths block, fuse1, fuse2, fuse3.

  Attributes:
    width: channels in and out.
    groups: see `EfficientResidual`.
    dtype: type to compute in.
  """

  width: int
  groups: int
  dtype: DTypeLike

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps x (b, h, w, width) to the same shape."""
    block = EfficientResidual(self.width, self.groups, self.dtype, name="block")
    return cascaded([block] * LENGTH, x, self.width, self.dtype)


class CARN(nn.Module):
  """CARN-M (Ahn et al., 2018), arxiv.org/abs/1803.08664, of colour images.

  One net for several scales, which differ in how they enlarge: 414,811
  parameters with those of 2, 3 and 4 and both shifts of the colours, which are
  not trained. Paths sub_mean, entry, cascade1 ..., fuse1 ..., up2_1, up3_1,
  up4_1, up4_2, exit, add_mean.

  Attributes:
    scale: how many times larger images become, one of `scales`.
    scales: those that there are parameters of.
    width: features of the blocks.
    groups: of the 3x3 convolutions of blocks and enlargement.
    dtype: type to compute in; parameters and the last convolution are
      float32.
  """

  scale: int = 2
  scales: Sequence[int] = (2, 3, 4)
  width: int = 64
  groups: int = 4
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool, mask: Array | None = None
  ) -> Array:
    """Maps images x (b, h, w, 3) in [0, 1] to (b, scale h, scale w, 3)."""
    del train, mask
    check_shape("image", x, "b h w 3")
    if self.scale not in self.scales:
      raise UserError(
        f"CARN: got scale {self.scale}; expected one of {tuple(self.scales)}, "
        "which the net has weights for."
      )
    x = ColourShift(-1, name="sub_mean")(x)
    y = Conv(self.width, use_bias=True, dtype=self.dtype, name="entry")(x)
    cascades = [
      Cascade(self.width, self.groups, self.dtype, name=f"cascade{i}")
      for i in range(1, LENGTH + 1)
    ]
    y = cascaded(cascades, y, self.width, self.dtype)
    used = self.scales if self.is_initializing() else (self.scale,)
    larger = {scale: self._enlarged(y, scale) for scale in used}
    y = Conv(3, use_bias=True, name="exit")(larger[self.scale])
    return ColourShift(1, name="add_mean")(y)

  def _enlarged(self, y: Array, scale: int) -> Array:
    for i, factor in enumerate((2, 2) if scale == 4 else (scale,), 1):
      y = Conv(
        self.width * factor**2,
        groups=self.groups,
        use_bias=True,
        dtype=self.dtype,
        name=f"up{scale}_{i}",
      )(y)
      y = pixel_shuffle(jax.nn.relu(y), factor)
    return y


class ColourShift(nn.Module):
  """Adds the mean colour, or takes it away: a 1x1 convolution that stays.

  Attributes:
    sign: 1 adds, -1 takes away.
  """

  sign: int

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Shifts colours x (b, h, w, 3), float32."""
    mean = self.sign * np.array(MEAN, np.float32)
    kernel = self.param("kernel", lambda key: jnp.eye(3)[None, None])
    bias = self.param("bias", lambda key: jnp.asarray(mean))
    kernel, bias = map(jax.lax.stop_gradient, (kernel, bias))
    shifted = jnp.matmul(
      x.astype(jnp.float32), kernel[0, 0], precision=jax.lax.Precision.HIGHEST
    )
    return shifted + bias


def cascaded(
  blocks: Sequence[Callable[[Array], Array]],
  x: Array,
  width: int,
  dtype: DTypeLike,
) -> Array:
  """Runs blocks, each followed by a 1x1 convolution of all outputs so far.

  To be called in a module, which has the convolutions as fuse1, fuse2, ... What
  they give is not among the outputs that the next ones see.
  """
  outputs, y = x, x
  for i, block in enumerate(blocks, 1):
    outputs = jnp.concatenate([outputs, block(y)], axis=-1)
    fuse = Conv(width, 1, use_bias=True, dtype=dtype, name=f"fuse{i}")
    y = jax.nn.relu(fuse(outputs))
  return y
