"""A classifier of windows, and fully convolutional networks made of it.

Its blocks are a U-Net's, by the same names, so that either begins with the
other's weights.
"""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.layers.conv import Conv, max_pool
from vision_jax.layers.dense_to_conv import SlidingDense
from vision_jax.layers.norm import BatchNorm
from vision_jax.layers.upsample import (
  TransposedConv,
  bilinear_init,
  pad_to_multiple,
  space_to_depth,
)
from vision_jax.models.segmentation.unet import UNetBlock
from vision_jax.ops.shapes import check_shape

_INIT = nn.initializers.lecun_normal()  # a dense layer's inputs are many


class _OfWindows(nn.Module):
  """Blocks and dense layers that the classifier and the FCN share.

  Attributes:
    num_classes: k.
    window: side of the images that are classified, in pixels.
    width: features of the first block; they double with each.
    depth: blocks, after each of which the map is halved.
    hidden: features of the first dense layer.
    patch: side of the squares of pixels that are folded into channels first.
    momentum: decay of BatchNorm's running moments.
    dtype: type to compute in; parameters and logits are float32.
  """

  num_classes: int
  window: int = 64
  width: int = 24
  depth: int = 2
  hidden: int = 128
  patch: int = 2
  momentum: float = 0.9
  dtype: DTypeLike = jnp.float32

  @property
  def stride(self) -> int:
    """Pixels from one place of the last map to the next."""
    return self.patch * 2**self.depth

  @property
  def left(self) -> int:
    """Side of the map that the dense layers take.

    Raises:
      UserError: if nothing of a window is left.
    """
    n = self.window // self.patch
    for _ in range(self.depth):
      n = (n - 4) // 2
    if n < 1 or self.window % self.patch:
      raise UserError(
        f"window: got {self.window} pixels for {self.depth} blocks on patches "
        f"of {self.patch}; expected a multiple of {self.patch}, of "
        f"{self.patch * (4 * (2**self.depth - 1) + 2**self.depth)} or more."
      )
    return n

  def block(self, level: int, padding: int | None) -> nn.Module:
    """Returns a block of two convolutions, `down0` and so on."""
    conv = functools.partial(Conv, padding=padding, dtype=self.dtype)
    norm = functools.partial(
      BatchNorm, momentum=self.momentum, dtype=self.dtype
    )
    features = self.width * 2**level
    return UNetBlock(features, conv, norm, name=f"down{level}")

  def dense(self) -> nn.Module:
    """Returns the first dense layer, of a window's whole map."""
    sides = (self.left, self.left)
    return SlidingDense(self.hidden, sides, self.dtype, _INIT, name="dense")


class WindowClassifier(_OfWindows):
  """A small classifier without padding: it runs on larger images as it is.

  Blocks of two 3x3 convolutions and a halving, then two dense layers. Without
  padding a window's logits do not depend on what is around it, so that those of
  a tile are those of its windows, at every `stride` pixels. Paths down0,
  down1, ..., dense and head.

  Attributes:
    everywhere: whether logits of every window of a larger image are returned.
  """

  everywhere: bool = False

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool, mask: Array | None = None
  ) -> Array:
    """Maps images x (b, window, window, c) to logits (b, k) float32.

    With `everywhere` images (b, h, w, c) to (b, h', w', k): the window at
    (i, j) begins at pixel (i, j) * stride.
    """
    _, h, w, _ = check_shape("image", x, "b h w c")
    side, dense = self.window, self.dense()
    if min(h, w) < side or (not self.everywhere and (h, w) != (side, side)):
      raise UserError(
        f"WindowClassifier: got an image of {h} x {w}; expected {side} x {side}"
        f"{' or more' if self.everywhere else ''}."
      )
    x = x[:, : h - h % self.patch, : w - w % self.patch]
    x = space_to_depth(x, self.patch)
    for level in range(self.depth):
      x = max_pool(self.block(level, 0)(x, train, mask))
    x = jax.nn.relu(dense(x))
    head = SlidingDense(self.num_classes, kernel_init=_INIT, name="head")
    logits = head(x.astype(jnp.float32))
    return logits if self.everywhere else logits[:, 0, 0]


class WindowFCN(_OfWindows):
  """An FCN (Long et al., 2015) of the classifier, with padding in its place.

  Scores of the dense layers, at the last map, and of the map before it are
  enlarged and added, and enlarged to the image's size, by transposed
  convolutions that start as bilinear interpolation. Paths down0, down1, ...,
  dense, score, score_pool, upscore and upscore_pool. Images whose sides are no
  multiple of the stride get zeros below and on the right.
  """

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool, mask: Array | None = None
  ) -> Array:
    """Maps images x (b, h, w, c) to logits (b, h, w, k) float32."""
    _, h, w, _ = check_shape("image", x, "b h w c")
    x = space_to_depth(pad_to_multiple(x, self.stride), self.patch)
    for level in range(self.depth):
      before = self.block(level, None)(x, train, mask)
      x = max_pool(before)
    around = ((self.left - 1) // 2, self.left // 2)
    x = jnp.pad(x, ((0, 0), around, around, (0, 0)))
    x = jax.nn.relu(self.dense()(x))
    scores = self._enlarged(self._score(x, "score"), 2, "upscore")
    scores += self._score(before, "score_pool")
    logits = self._enlarged(scores, self.stride // 2, "upscore_pool")
    return logits[:, :h, :w]

  def _score(self, x: Array, name: str) -> Array:
    conv = Conv(
      self.num_classes, 1, use_bias=True, kernel_init=_INIT, name=name
    )
    return conv(x.astype(jnp.float32))

  def _enlarged(self, x: Array, factor: int, name: str) -> Array:
    """Enlarges x exactly `factor` times: what hangs over is cut off."""
    if factor == 1:
      return x
    _, h, w, _ = x.shape
    up = TransposedConv(
      self.num_classes,
      kernel=2 * factor,
      stride=factor,
      use_bias=False,
      kernel_init=bilinear_init,
      name=name,
    )
    cut = factor // 2
    return up(x)[:, cut : cut + h * factor, cut : cut + w * factor]
