"""SRCNN: three convolutions that sharpen an image of its final size."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.checks import check_name
from vision_jax.core.types import Array
from vision_jax.layers.conv import Conv
from vision_jax.ops.shapes import check_shape

BORDERS = ("edge", "zeros")
# Each of the first convolutions passes on what it gets: the paper's deviation
# of 0.001 begins with nothing, and learns for days.
_INIT = nn.initializers.variance_scaling(1.0, "fan_in", "normal")


class SRCNN(nn.Module):
  """SRCNN (Dong et al., 2014), arxiv.org/abs/1501.00092.

  Takes an image that bicubic has enlarged: patches become features, those are
  mapped to others, and these to pixels. 9-1-5 has 8,129 parameters, 8,032
  without biases. Paths conv1, conv2, conv3.

  Attributes:
    channels: of the images; 1 for luma.
    widths: features after each convolution but the last.
    kernels: side of each convolution; 9, 3, 5 and 9, 5, 5 are the larger ones.
    border: what lies outside the image, "edge" for its outermost pixels, as
      the authors test, or "zeros" at each convolution.
    dtype: type to compute in; parameters and the last convolution are
      float32.
  """

  channels: int = 1
  widths: Sequence[int] = (64, 32)
  kernels: Sequence[int] = (9, 1, 5)
  border: str = "edge"
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool, mask: Array | None = None
  ) -> Array:
    """Maps images x (b, h, w, c) to the same shape, float32."""
    del train, mask
    check_shape("image", x, f"b h w {self.channels}")
    zeros = check_name("border", self.border, BORDERS) == "zeros"
    if not zeros:
      reach = sum(kernel // 2 for kernel in self.kernels)
      x = jnp.pad(x, ((0, 0), (reach, reach), (reach, reach), (0, 0)), "edge")
    widths = (*self.widths, self.channels)
    for i, (width, kernel) in enumerate(
      zip(widths, self.kernels, strict=True), 1
    ):
      last = i == len(widths)
      x = Conv(
        width,
        kernel,
        padding=None if zeros else 0,
        use_bias=True,
        dtype=jnp.float32 if last else self.dtype,
        kernel_init=_INIT,
        name=f"conv{i}",
      )(x)
      x = x if last else jax.nn.relu(x)
    return x
