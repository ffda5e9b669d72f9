"""A classifier's head on every window of a larger image, in one pass.

Long et al. (2015), section 3.1: a dense layer on a flattened map is a
convolution with a kernel of the map's size. Parameters stay a `Dense`'s, so a
trained classifier's weights serve as they are.
"""

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.layers.broadcast import add
from vision_jax.layers.conv import HE_NORMAL
from vision_jax.layers.dense import linear
from vision_jax.layers.weights import weighted
from vision_jax.ops.convolution import convolution


def dense_to_conv(kernel: Array, window: tuple[int, int]) -> Array:
  """Turns a dense kernel (h w c, d) into a convolution's (h, w, c, d).

  Raises:
    UserError: if the kernel's rows do not divide by the window's area.
  """
  h, w = window
  rows, d = kernel.shape
  if rows % (h * w):
    raise UserError(
      f"dense_to_conv: got a kernel of {rows} rows for a window of {h} x {w}; "
      f"expected a multiple of {h * w}, height x width x channels of the map "
      "that was flattened."
    )
  return kernel.reshape(h, w, rows // (h * w), d)


class SlidingDense(nn.Module):
  """A Dense of flattened windows, at every place where a window fits.

  Parameters kernel (h w c, d) and bias (d,), as `Dense` on `x.reshape(b, -1)`.

  Attributes:
    features: d.
    window: (h, w) of the map that the classifier flattened; (1, 1) for the
      layers after that.
    dtype: type to compute in; parameters are float32.
    kernel_init: initial kernel.
  """

  features: int
  window: tuple[int, int] = (1, 1)
  dtype: DTypeLike = jnp.float32
  kernel_init: nn.initializers.Initializer = HE_NORMAL

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps x (b, H, W, c) to (b, H - h + 1, W - w + 1, d)."""
    h, w = self.window
    shape = (h * w * x.shape[-1], self.features)
    kernel = self.param("kernel", self.kernel_init, shape, jnp.float32)
    bias = self.param("bias", nn.initializers.zeros, shape[1:], jnp.float32)
    x = x.astype(self.dtype)
    if (h, w) == (1, 1):
      return add(linear(x, kernel), bias)
    kernel = dense_to_conv(kernel, self.window)
    return add(weighted(convolution, x, kernel), bias)


def sliding_average(x: Array, window: tuple[int, int]) -> Array:
  """Mean of every window of x (b, H, W, c): (b, H - h + 1, W - w + 1, c).

  What `global_average` is to one image of the window's size; the head's dense
  layer then applies to the last axis.
  """
  return nn.avg_pool(x, window_shape=tuple(window), strides=(1, 1))
