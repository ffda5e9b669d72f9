"""VDSR: twenty convolutions that give what an enlarged image lacks."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.conv import Conv
from vision_jax.ops.shapes import check_shape

_HE_IN = nn.initializers.variance_scaling(2.0, "fan_in", "normal")


class VDSR(nn.Module):
  """VDSR (Kim et al., 2016), arxiv.org/abs/1511.04587.

  Takes an image that bicubic has enlarged, by any factor that it has seen, and
  adds to it. 665,921 parameters, 664,704 without biases. Paths conv1, conv2 ...

  Attributes:
    channels: of the images; 1 for luma.
    width: features.
    depth: convolutions.
    use_bias: whether they have biases.
    dtype: type to compute in; parameters and the last convolution are
      float32.
  """

  channels: int = 1
  width: int = 64
  depth: int = 20
  use_bias: bool = True
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool, mask: Array | None = None
  ) -> Array:
    """Maps images x (b, h, w, c) to the same shape, float32."""
    del train, mask
    check_shape("image", x, f"b h w {self.channels}")
    y = x
    for i in range(1, self.depth + 1):
      last = i == self.depth
      y = Conv(
        self.channels if last else self.width,
        use_bias=self.use_bias,
        dtype=jnp.float32 if last else self.dtype,
        kernel_init=_HE_IN,
        name=f"conv{i}",
      )(y)
      y = y if last else jax.nn.relu(y)
    return x.astype(jnp.float32) + y
