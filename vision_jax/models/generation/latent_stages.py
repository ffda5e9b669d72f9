"""The two halves of latent diffusion's autoencoders: DDPM's blocks, no time."""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.conv import Conv
from vision_jax.layers.group_norm import GroupNorm
from vision_jax.layers.remat import remat
from vision_jax.layers.time_embedding import GLOROT
from vision_jax.models.generation.autoencoder import check_halves
from vision_jax.models.generation.ddpm_blocks import (
  AttentionBlock,
  ResBlock,
  double,
)
from vision_jax.ops.shapes import check_shape


class Stages(nn.Module):
  """What both halves have; paths as of `DDPMUNet`.

  Attributes:
    out: channels of the result.
    widths: channels at each resolution, the image's first.
    blocks: residual blocks at each resolution.
    groups: number of groups of group normalization.
    attention: whether there is attention in the middle.
    remat: what blocks compute again in the backward pass, see `layers.remat`.
    dtype: type to compute in; parameters and the result are float32.
  """

  out: int
  widths: Sequence[int]
  blocks: int
  groups: int
  attention: bool = True
  remat: str = "none"
  dtype: DTypeLike = jnp.float32

  def _middle(self, x: Array) -> Array:
    x = self._block(x, x.shape[-1], "middle_block1")
    if self.attention:
      block = remat(AttentionBlock, self.remat)
      x = block(self.groups, 1, self.dtype, name="middle_attention")(x)
    return self._block(x, x.shape[-1], "middle_block2")

  def _last(self, x: Array) -> Array:
    x = GroupNorm(self.groups, dtype=self.dtype, name="norm_out")(x)
    conv = Conv(self.out, use_bias=True, kernel_init=GLOROT, name="conv_out")
    return conv(jax.nn.silu(x))

  def _block(self, x: Array, features: int, name: str) -> Array:
    block = remat(ResBlock, self.remat, static=(3,))
    make = block(features, self.groups, 0.0, self.dtype, name=name)
    return make(x, None, False)

  def _conv(self, features: int, name: str, **options: Any) -> Conv:
    how = {"use_bias": True, "dtype": self.dtype, "kernel_init": GLOROT}
    return Conv(features, name=name, **how, **options)


class Down(Stages):
  """From images to a map: each resolution but the last halves."""

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps images (b, h, w, c) to (b, h', w', out) float32."""
    _, h, w, _ = check_shape("image", x, "b h w c")
    check_halves((h, w), len(self.widths) - 1)
    x = self._conv(self.widths[0], "conv_in")(x)
    for level, width in enumerate(self.widths, 1):
      for i in range(self.blocks):
        x = self._block(x, width, f"down{level}_block{i + 1}")
      if level < len(self.widths):
        # The authors' stride-2 "SAME" pads after the image only.
        x = jnp.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0)))
        x = self._conv(width, f"down{level}_halve", stride=2, padding=0)(x)
    return self._last(self._middle(x))


class Up(Stages):
  """From a map to images: a block more at each resolution than down."""

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps (b, h', w', d) to images (b, h, w, out) float32."""
    x = self._middle(self._conv(self.widths[-1], "conv_in")(x))
    for level, width in reversed([*enumerate(self.widths, 1)]):
      for i in range(self.blocks + 1):
        x = self._block(x, width, f"up{level}_block{i + 1}")
      if level > 1:
        x = self._conv(width, f"up{level}_double")(double(x))
    return self._last(x)


def halves(model: nn.Module, features: int) -> tuple[Down, Up]:
  """Returns both halves of a model that has their fields.

  Args:
    model: has `channels`, `widths`, `blocks`, `groups`, `attention`, `remat`
      and `dtype`.
    features: channels of what the first one gives.
  """
  names = ("widths", "blocks", "groups", "attention", "remat", "dtype")
  fields = {name: getattr(model, name) for name in names}
  return Down(features, **fields), Up(model.channels, **fields)
