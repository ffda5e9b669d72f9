"""ESPCN: convolutions at the small size, laid out as pixels at the end."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.conv import Conv
from vision_jax.layers.upsample import pixel_shuffle
from vision_jax.ops.shapes import check_shape


class ESPCN(nn.Module):
  """Sub-pixel super-resolution (Shi et al., 2016), arxiv.org/abs/1609.05158.

  Convolutions with ReLU between; the last one gives scale² values a channel
  and pixel, which are laid out as pixels. The defaults are PyTorch's example,
  59,657 parameters at scale 3. Paths conv1, conv2, ...

  Attributes:
    scale: how many times larger images become.
    channels: of the images; 1 for luma.
    widths: features after each convolution but the last.
    kernels: side of each convolution.
    dtype: type to compute in; parameters and the last convolution are
      float32.
  """

  scale: int = 3
  channels: int = 1
  widths: Sequence[int] = (64, 64, 32)
  kernels: Sequence[int] = (5, 3, 3, 3)
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool, mask: Array | None = None
  ) -> Array:
    """Maps images x (b, h, w, c) to (b, scale h, scale w, c) float32."""
    del train, mask
    check_shape("image", x, f"b h w {self.channels}")
    kernels = zip(self.widths, self.kernels[:-1], strict=True)
    for i, (features, kernel) in enumerate(kernels, 1):
      conv = Conv(
        features, kernel, use_bias=True, dtype=self.dtype, name=f"conv{i}"
      )
      x = jax.nn.relu(conv(x))
    head = Conv(
      self.channels * self.scale**2,
      self.kernels[-1],
      use_bias=True,
      name=f"conv{len(self.kernels)}",
    )
    return pixel_shuffle(head(x), self.scale)
