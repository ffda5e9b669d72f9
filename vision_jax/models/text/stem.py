"""Convolutions that make columns of a line of text, as nets that read begin."""

from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.layers.conv_norm import ConvNorm

# Features of a convolution, and the window (h, w) of the maxima after it.
Stage = tuple[int, tuple[int, int]]


class Stem(nn.Module):
  """Stages of convolution, BatchNorm, ReLU and maxima; paths conv1, conv2, ...

  Attributes:
    stages: features and the window of the maxima of each.
    stride: of the first convolution, which is 5x5 where it is above 1; the
      others are 3x3.
    dtype: type to compute in; parameters are float32.
  """

  stages: Sequence[Stage]
  stride: int = 1
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool, mask: Array | None = None
  ) -> Array:
    """Maps images x (b, h, w, c) to (b, h', w', d); `mask` as in BatchNorm.

    Raises:
      UserError: for images that are too small.
    """
    for i, (features, window) in enumerate(self.stages):
      stride = self.stride if i == 0 else 1
      conv = ConvNorm(
        features,
        5 if stride > 1 else 3,
        stride,
        dtype=self.dtype,
        name=f"conv{i + 1}",
      )
      x = block_max(conv(x, train=train, mask=mask), window)
    return x


def block_max(x: Array, window: tuple[int, int]) -> Array:
  """Largest value of each window of x (b, h, w, c); a rest is left out.

  Windows do not overlap. Of equal values the first in reading order takes the
  whole gradient. Not by jnp.max, whose gradient compares values with their
  maximum again: where XLA computes one of them anew, in another order, they
  differ, and 0 / 0 is no number.

  Raises:
    UserError: where x is smaller than a window.
  """
  b, h, w, c = x.shape
  rows, columns = window
  if h < rows or w < columns:
    raise UserError(
      f"stages: got {h} x {w} left of an image before a window of {rows} x "
      f"{columns}; expected larger images, or fewer stages."
    )
  h, w = h // rows, w // columns
  x = x[:, : h * rows, : w * columns].reshape(b, h, rows, w, columns, c)
  places = [x[:, :, i, :, j] for i in range(rows) for j in range(columns)]
  best, *others = places
  for other in others:
    best = jnp.where((other > best) | jnp.isnan(other), other, best)
  return best
