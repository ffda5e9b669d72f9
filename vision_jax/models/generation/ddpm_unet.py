"""The U-Net of denoising diffusion (Ho et al., arxiv.org/abs/2006.11239)."""

import functools
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.layers.conv import Conv
from vision_jax.layers.dense import Dense
from vision_jax.layers.group_norm import GroupNorm
from vision_jax.layers.remat import remat
from vision_jax.layers.time_embedding import GLOROT, TimeEmbedding
from vision_jax.layers.upsample import depth_to_space, space_to_depth
from vision_jax.models.generation.ddpm_blocks import (
  NOTHING,
  AttentionBlock,
  ResBlock,
  double,
)
from vision_jax.ops.shapes import check_shape


class DDPMUNet(nn.Module):
  """Predicts, from a noisy image and its time, an image's worth of numbers.

  Defaults are the CIFAR-10 model's, 35.7M parameters. Going down, a level has
  `blocks` residual blocks and halves the image; going up, one block more and
  doubles it; every block's result on the way down enters one on the way up.

  It may be given a class; or, without num_classes, another condition: a vector,
  which is added to the time's, or an image, which is looked at beside the noisy
  one.

  Attributes:
    num_classes: k of a class-conditional model, else 0. Label k means no class
      (classifier-free guidance).
    width: channels at full resolution.
    multipliers: factors of the width at each resolution.
    blocks: residual blocks at each resolution.
    attention: sides (h) of the images which have attention.
    heads: number of attention's heads.
    dropout: probability, in residual blocks.
    groups: number of groups of group normalization.
    patch: side of the squares of pixels that are seen as one of more channels,
      so that the levels begin at a smaller size; the paper's is 1.
    learned_variance: whether twice the channels come out, the second half for
      the variance (https://arxiv.org/abs/2102.09672).
    times: how many times it is given, see `layers.time_embedding`; 2 for an
      average velocity (https://arxiv.org/abs/2505.13447).
    remat: what blocks compute again in the backward pass, see `layers.remat`.
    dtype: type to compute in; parameters and the last convolution are float32.
  """

  num_classes: int = 0
  width: int = 128
  multipliers: Sequence[int] = (1, 2, 2, 2)
  blocks: int = 2
  attention: Sequence[int] = (16,)
  heads: int = 1
  dropout: float = 0.1
  groups: int = 32
  patch: int = 1
  learned_variance: bool = False
  times: int = 1
  remat: str = "none"
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self,
    x: Array,
    t: Array | None = None,
    condition: Array | None = None,
    *,
    train: bool,
    mask: Array | None = None,
  ) -> Array:
    """Maps noisy images x (b, h, w, c) to predictions, float32.

    Args:
      x: images.
      t: times (b,), or several (b, n); what is not given is 0.
      condition: classes int (b,), k for none, where None is none; or a vector
        (b, d), or an image (b, h, w, d).
      train: whether dropout drops.
      mask: (b,), not needed: no example sees another.

    Returns:
      (b, h, w, c), or (b, h, w, 2 c) where the variance is learned.
    """
    del mask
    b, h, w, c = check_shape("image", x, "b h w c")
    self._check_sides(h, w)
    x, vector = self._beside(x, condition)
    x = space_to_depth(x, self.patch) if self.patch > 1 else x
    time = self._embed(jnp.zeros(b, jnp.float32) if t is None else t, vector)
    x = self._conv(self.width, "conv_in")(x)
    x, passed = self._down(x, time, train)
    x = self._block(x.shape[-1], "middle_block1")(x, time, train)
    x = self._attend("middle_attention")(x)
    x = self._block(x.shape[-1], "middle_block2")(x, time, train)
    x = self._up(x, passed, time, train)
    x = GroupNorm(self.groups, dtype=self.dtype, name="norm_out")(x)
    out = c * self.patch**2 * (2 if self.learned_variance else 1)
    conv = Conv(out, use_bias=True, kernel_init=NOTHING, name="conv_out")
    x = conv(jax.nn.silu(x))
    return depth_to_space(x, self.patch) if self.patch > 1 else x

  def _check_sides(self, h: int, w: int) -> None:
    least = self.patch * 2 ** (len(self.multipliers) - 1)
    if h % least or w % least:
      patches = f" of patches of {self.patch}" if self.patch > 1 else ""
      raise UserError(
        f"image: got {h} x {w}; expected sides divisible by {least}, for "
        f"{len(self.multipliers)} resolutions{patches}. Pad the images, or "
        "give fewer multipliers."
      )

  def _beside(self, x: Array, condition: Array | None):
    """Returns the images, with those of a condition; and one that is none."""
    if self.num_classes or condition is None or condition.ndim == 2:
      return x, condition
    if condition.shape[:-1] != x.shape[:-1]:
      raise UserError(
        f"condition: got shape {condition.shape} with images {x.shape}; "
        "expected a vector (b, d), or an image of the same size. Resize it in "
        "the data."
      )
    return jnp.concatenate([x, condition.astype(x.dtype)], -1), None

  def _embed(self, t: Array, condition: Array | None) -> Array:
    """The time's vector, with the condition's added, (b, 4 width)."""
    hidden, label = 4 * self.width, condition
    embed = TimeEmbedding(
      self.width, hidden, self.dtype, self.times, name="time"
    )
    time = embed(t)
    if not self.num_classes and condition is None:
      return time
    if not self.num_classes:
      return time + Dense(hidden, dtype=self.dtype, name="condition")(condition)
    if label is None:
      label = jnp.full(t.shape[:1], self.num_classes, jnp.int32)
    table = nn.Embed(
      self.num_classes + 1,
      hidden,
      embedding_init=nn.initializers.normal(1.0),
      name="label",
    )
    # Cast after: a class's gradient adds up over examples in float32.
    return time + table(label).astype(self.dtype)

  def _down(self, x: Array, time: Array, train: bool):
    """Returns the smallest image and what is passed across, in order."""
    passed = [x]
    for level, multiplier in enumerate(self.multipliers):
      name, features = f"down{level + 1}", self.width * multiplier
      for i in range(self.blocks):
        x = self._level(x, time, features, f"{name}_", i, train)
        passed.append(x)
      if level + 1 < len(self.multipliers):
        # The authors' stride-2 "SAME" pads after the image only.
        x = jnp.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0)))
        x = self._conv(features, f"{name}_halve", stride=2, padding=0)(x)
        passed.append(x)
    return x, passed

  def _up(self, x: Array, passed: list[Array], time: Array, train: bool):
    for level, multiplier in reversed(list(enumerate(self.multipliers))):
      name, features = f"up{level + 1}", self.width * multiplier
      for i in range(self.blocks + 1):
        x = jnp.concatenate([x, passed.pop()], axis=-1)
        x = self._level(x, time, features, f"{name}_", i, train)
      if level:
        x = self._conv(features, f"{name}_double")(double(x))
    return x

  def _level(self, x, time, features, prefix, i, train):
    x = self._block(features, f"{prefix}block{i + 1}")(x, time, train)
    if x.shape[1] in self.attention:
      x = self._attend(f"{prefix}attention{i + 1}")(x)
    return x

  def _block(self, features: int, name: str) -> ResBlock:
    block = remat(ResBlock, self.remat, static=(3,))
    return block(features, self.groups, self.dropout, self.dtype, name=name)

  def _attend(self, name: str) -> AttentionBlock:
    block = remat(AttentionBlock, self.remat)
    return block(self.groups, self.heads, self.dtype, name=name)

  def _conv(self, features: int, name: str, **options: Any) -> Conv:
    return Conv(
      features,
      use_bias=True,
      dtype=self.dtype,
      kernel_init=GLOROT,
      name=name,
      **options,
    )


# The model of the paper's CIFAR-10 results, 35.7M parameters.
DDPM_CIFAR10 = functools.partial(DDPMUNet)
