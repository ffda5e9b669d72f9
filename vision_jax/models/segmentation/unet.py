"""U-Net: an encoder and a decoder with connections across."""

import functools
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.layers.conv import Conv, max_pool
from vision_jax.layers.norm import BatchNorm
from vision_jax.layers.remat import remat
from vision_jax.layers.stochastic import Dropout
from vision_jax.layers.upsample import (
  TransposedConv,
  depth_to_space,
  pad_to_multiple,
  space_to_depth,
)
from vision_jax.models.segmentation.unet_sizes import output_size
from vision_jax.ops.shapes import check_shape


class UNet(nn.Module):
  """U-Net (Ronneberger et al., 2015), arxiv.org/abs/1505.04597.

  With padding="valid" and norm=False it is the paper's: 572 x 572 gives
  388 x 388. Paths down0 ... downN (the lowest), up0 ... and head, each block
  with conv1, conv2 (and bn1, bn2), a decoder's with `up` too.

  With patch=2 the net works at half the image's size: 2 x 2 pixels are folded
  into channels before it, and unfolded from its logits, which costs a quarter
  and keeps every pixel's own class. With unfold=False they stay folded: one for
  each square, of whatever its first pixel is to learn.

  Differs from the paper by default: zeros around the image keep its size, and
  BatchNorm follows every 3x3 convolution in place of its bias. Images whose
  sides are no multiple of patch * 2 ** depth get zeros below and on the right,
  and the logits are cut back.

  Attributes:
    num_classes: k.
    width: features of the first level; they double with each.
    depth: how often the image is halved.
    padding: "same" or "valid".
    norm: whether BatchNorm takes the place of biases.
    dropout: probability of zeroing a value of the two lowest levels' results,
      as in the paper's section 3.1.
    patch: side of the squares of pixels that are folded; 1 with "valid".
    unfold: whether logits are of pixels; else of such squares.
    momentum: decay of BatchNorm's running moments.
    remat: what blocks compute again in the backward pass, see `layers.remat`.
    dtype: type to compute in; parameters and the head are float32.
  """

  num_classes: int
  width: int = 64
  depth: int = 4
  padding: str = "same"
  norm: bool = True
  dropout: float = 0.0
  patch: int = 1
  unfold: bool = True
  momentum: float = 0.9
  remat: str = "none"
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool, mask: Array | None = None
  ) -> Array:
    """Maps images x (b, h, w, c) to logits (b, h', w', k) float32.

    h' = h with padding "same" (h / patch, rounded up, where they stay folded),
    else `output_size(h, depth)`.
    """
    _, h, w, _ = check_shape("image", x, "b h w c")
    self._check(h, w)
    if self.padding == "same":
      x = pad_to_multiple(x, self.patch * 2**self.depth)
    x = space_to_depth(x, self.patch)
    across = []
    for level in range(self.depth):
      x = self._block(f"down{level}", self.width * 2**level)(x, train, mask)
      if level == self.depth - 1:
        x = Dropout(self.dropout)(x, train=train)
      across.append(x)
      x = max_pool(x)
    lowest = self._block(f"down{self.depth}", self.width * 2**self.depth)
    x = lowest(x, train, mask)
    x = Dropout(self.dropout)(x, train=train)
    for level in reversed(range(self.depth)):
      block = self._block(f"up{level}", self.width * 2**level, decoder=True)
      x = block(x, train, mask, across[level])
    unfold = self.patch if self.unfold else 1
    features = self.num_classes * unfold**2
    head = Conv(features, 1, use_bias=True, name="head")
    logits = depth_to_space(head(x), unfold)
    if self.padding == "valid":
      return logits
    h, w = (-(-n * unfold // self.patch) for n in (h, w))
    return logits[:, :h, :w]

  def _block(self, name: str, features: int, decoder: bool = False):
    conv = functools.partial(
      Conv,
      padding=0 if self.padding == "valid" else None,
      use_bias=not self.norm,
      dtype=self.dtype,
    )
    norm = functools.partial(
      BatchNorm, momentum=self.momentum, dtype=self.dtype
    )
    up = functools.partial(TransposedConv, dtype=self.dtype)
    block = remat(UNetBlock, self.remat, static=(2,))
    return block(
      *(features, conv, norm if self.norm else None),
      up=up if decoder else None,
      name=name,
    )

  def _check(self, h: int, w: int) -> None:
    if self.padding not in ("same", "valid"):
      raise UserError(
        f"UNet: got padding={self.padding!r}; expected 'same' or 'valid'."
      )
    if self.patch < 1 or (self.patch > 1 and self.padding == "valid"):
      raise UserError(
        f"UNet: got patch={self.patch} with padding={self.padding!r}; expected "
        "1 or more, and 1 with 'valid'."
      )
    if self.padding == "valid":
      output_size(h, self.depth), output_size(w, self.depth)


class UNetBlock(nn.Module):
  """Two 3x3 convolutions with ReLU, in a decoder after a doubling of the map.

  Attributes:
    features: width of both convolutions.
    conv: partial of Conv.
    norm: partial of BatchNorm; None for biases in its place.
    up: partial of TransposedConv, of a decoder: the map is doubled and joined
      with one from the encoder.
  """

  features: int
  conv: Callable[..., nn.Module]
  norm: Callable[..., nn.Module] | None
  up: Callable[..., nn.Module] | None = None

  @nn.compact
  def __call__(
    self, x: Array, train: bool, mask: Array | None, across: Array | None = None
  ) -> Array:
    """Maps x (b, h, w, c), and a decoder's `across`, to (b, h', w', d)."""
    if self.up:
      x = self.up(self.features, name="up")(x)
      x = jnp.concatenate([centre(across, x.shape[1:3]), x], -1)
    for i in (1, 2):
      x = self.conv(self.features, name=f"conv{i}")(x)
      if self.norm:
        x = self.norm(name=f"bn{i}")(x, train=train, mask=mask)
      x = jax.nn.relu(x)
    return x


def centre(x: Array, size: tuple[int, int]) -> Array:
  """Cuts the middle (h, w) out of x (b, h', w', c)."""
  top, left = ((n - m) // 2 for n, m in zip(x.shape[1:3], size, strict=True))
  return x[:, top : top + size[0], left : left + size[1]]
