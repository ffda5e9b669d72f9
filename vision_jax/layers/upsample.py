"""Larger maps from smaller ones: transposed convolution and unpooling."""

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.forms.choice import form
from vision_jax.layers.broadcast import add
from vision_jax.layers.conv import HE_NORMAL
from vision_jax.layers.weights import weighted
from vision_jax.ops.convolution import convolution
from vision_jax.ops.product import product


class TransposedConv(nn.Module):
  """Square transposed convolution; parameters kernel (k, k, c, d), bias (d,).

  Every value of the input adds its own kernel, times the value, to the result
  at `stride` times its place. The result has (h - 1) * stride + kernel rows.

  Attributes:
    features: channels of the result, d.
    kernel: side of the kernel; the stride at least.
    stride: how many times larger the map becomes.
    use_bias: whether a bias is added.
    dtype: type to compute in; parameters are float32.
    kernel_init: initial kernel.
  """

  features: int
  kernel: int = 2
  stride: int = 2
  use_bias: bool = True
  dtype: DTypeLike = jnp.float32
  kernel_init: nn.initializers.Initializer = HE_NORMAL

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps x (b, h, w, c) to (b, h', w', d)."""
    size = self.kernel
    shape = (size, size, x.shape[-1], self.features)
    kernel = self.param("kernel", self.kernel_init, shape, jnp.float32)
    y = transposed(x.astype(self.dtype), kernel, self.stride)
    if self.use_bias:
      bias = self.param(
        "bias", nn.initializers.zeros, (self.features,), jnp.float32
      )
      y = add(y, bias)
    return y


def transposed(x: Array, kernel: Array, stride: int) -> Array:
  """Transposed convolution of x (b, h, w, c) with kernel (k, k, c, d).

  In x's dtype; the gradient of a float32 kernel is as `weighted` says.

  In its sub-pixel form it is an ordinary convolution to stride² values for each
  place (a matrix product where the kernel is as large as the stride), which are
  then laid out as pixels; its weight gradient then is no convolution with a
  kernel of the image's size and holes, which is slow everywhere. A kernel whose
  side is no multiple of the stride has zeros beyond it in that form.

  Raises:
    UserError: if the kernel is no square, or smaller than the stride.
  """
  size = kernel.shape[0]
  if size < stride or kernel.shape[1] != size:
    raise UserError(
      f"transposed: got a kernel of {size} x {kernel.shape[1]} at stride "
      f"{stride}; expected a square whose side is the stride at least."
    )
  subpixel = form("transposed") == "subpixel"
  product = _subpixel if subpixel else _dilated
  return weighted(functools.partial(product, stride=stride), x, kernel)


def _dilated(x: Array, kernel: Array, stride: int) -> Array:
  size = kernel.shape[0]
  return jax.lax.conv_general_dilated(
    x,
    kernel[::-1, ::-1],
    window_strides=(1, 1),
    padding=[(size - 1, size - 1)] * 2,
    lhs_dilation=(stride, stride),
    dimension_numbers=("NHWC", "HWIO", "NHWC"),
  )


def _subpixel(x: Array, kernel: Array, stride: int) -> Array:
  """Phase p of the result is a small convolution with kernel[p::stride]."""
  if more := -kernel.shape[0] % stride:
    kernel = jnp.pad(kernel, ((0, more), (0, more), (0, 0), (0, 0)))
    return _subpixel(x, kernel, stride)[:, :-more, :-more]
  size, _, c, d = kernel.shape
  taps = size // stride
  k = kernel.reshape(taps, stride, taps, stride, c, d)
  # Flipped: the kernel's first tap falls on the last of the inputs it meets.
  k = k[::-1, :, ::-1].transpose(0, 2, 4, 1, 3, 5)
  k = k.reshape(taps, taps, c, stride * stride * d)
  y = product(x, k[0, 0]) if taps == 1 else convolution(x, k, padding=taps - 1)
  return depth_to_space(y, stride)


def depth_to_space(x: Array, size: int) -> Array:
  """Lays out (b, h, w, size² d) as (b, size h, size w, d), row-major."""
  b, h, w, c = x.shape
  d = c // size**2
  x = x.reshape(b, h, w, size, size, d).transpose(0, 1, 3, 2, 4, 5)
  return x.reshape(b, h * size, w * size, d)


def space_to_depth(x: Array, size: int) -> Array:
  """Folds squares of pixels: undoes `depth_to_space`.

  (b, size h, size w, d) to (b, h, w, size² d).
  """
  b, h, w, d = x.shape
  h, w = h // size, w // size
  x = x.reshape(b, h, size, w, size, d).transpose(0, 1, 3, 2, 4, 5)
  return x.reshape(b, h, w, size * size * d)


def pixel_shuffle(x: Array, size: int) -> Array:
  """Lays out (b, h, w, d size²) as (b, size h, size w, d), in torch's order.

  Shi et al. (2016). Here a channel's size² values are next to each other, and
  in `depth_to_space` a place's d channels.
  """
  b, h, w, c = x.shape
  d = c // size**2
  x = x.reshape(b, h, w, d, size, size).transpose(0, 1, 4, 2, 5, 3)
  return x.reshape(b, h * size, w * size, d)


def pixel_unshuffle(x: Array, size: int) -> Array:
  """Undoes `pixel_shuffle`: (b, size h, size w, d) to (b, h, w, d size²)."""
  b, h, w, d = x.shape
  h, w = h // size, w // size
  x = x.reshape(b, h, size, w, size, d).transpose(0, 1, 3, 5, 2, 4)
  return x.reshape(b, h, w, d * size**2)


def bilinear_init(
  key: Array, shape: Any, dtype: DTypeLike = jnp.float32
) -> Array:
  """A transposed convolution's kernel that interpolates each channel.

  Long et al. (2015), section 3.3: the initial upsampling of an FCN. The kernel
  (k, k, c, d) is a tent of the middle of k for channels onto themselves.
  """
  del key
  size, _, c, d = shape
  factor = (size + 1) // 2
  centre = factor - 1 if size % 2 else factor - 0.5
  tent = 1 - np.abs(np.arange(size) - centre) / factor
  kernel = np.multiply.outer(np.outer(tent, tent), np.eye(c, d))
  return jnp.asarray(kernel, dtype)


def max_pool_with_index(x: Array) -> tuple[Array, Array]:
  """Largest value of each 2x2 window of x (b, h, w, c), and where it was.

  Returns:
    The maxima (b, h // 2, w // 2, c) and their places in the windows, uint8 0
    to 3 in reading order. Of equal values the first counts.
  """
  places = _places(x)
  best, index = places[0], jnp.zeros(places[0].shape, jnp.uint8)
  for i, other in enumerate(places[1:], 1):
    larger = other > best
    best = jnp.where(larger, other, best)
    index = jnp.where(larger, jnp.uint8(i), index)
  return best, index


def max_unpool(x: Array, index: Array) -> Array:
  """Puts x (b, h, w, c) where its maxima were, and zeros around them.

  Badrinarayanan et al. (2015), SegNet. `index` is `max_pool_with_index`'s.

  Returns:
    (b, 2 h, 2 w, c).
  """
  if x.shape != index.shape:
    raise UserError(
      f"max_unpool: got values {x.shape} and places {index.shape}; expected "
      "one shape."
    )
  parts = [jnp.where(index == i, x, 0) for i in range(4)]
  return depth_to_space(jnp.concatenate(parts, axis=-1), 2)


def _places(x: Array) -> list[Array]:
  b, h, w, c = x.shape
  h, w = h // 2, w // 2
  x = x[:, : 2 * h, : 2 * w].reshape(b, h, 2, w, 2, c)
  return [x[:, :, i, :, j] for i in range(2) for j in range(2)]


def pad_to_multiple(x: Array, multiple: int) -> Array:
  """Adds zeros below and on the right of x (b, h, w, c).

  So that a network which halves its input several times takes any size; cut its
  result back to (h, w).
  """
  _, h, w, _ = x.shape
  return jnp.pad(x, ((0, 0), (0, -h % multiple), (0, -w % multiple), (0, 0)))
