"""Convolution and pooling, NHWC, in XLA's form or an equal, faster one."""

import functools

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.layers.broadcast import add
from vision_jax.layers.weights import weighted
from vision_jax.ops.convolution import convolution, is_shifts, pair
from vision_jax.ops.forms import form

# He et al. (2015), for rectifiers, by the number of outputs as in ResNets.
HE_NORMAL = nn.initializers.variance_scaling(2.0, "fan_out", "normal")


class Conv(nn.Module):
  """Convolution; parameters kernel (k, l, c / groups, d) and bias (d,).

  Attributes:
    features: channels of the result, d.
    kernel: side of the window, or its (height, width).
    stride: step of the window along both axes.
    padding: zeros on each of the four sides, or (above and below, left and
      right); None for half the window, which keeps the size at stride 1. The
      padding is symmetric at any stride, as in torch; XLA's "SAME" is not.
    dilation: pixels from one of the window's places to the next.
    use_bias: whether a bias is added.
    dtype: type to compute in; parameters are float32.
    kernel_init: initial kernel.
    groups: of the channels, in order, each of which gives as many features; as
      many as there are channels for a depthwise convolution.
    bias_init: initial bias.
  """

  features: int
  kernel: int | tuple[int, int] = 3
  stride: int = 1
  padding: int | tuple[int, int] | None = None
  dilation: int = 1
  use_bias: bool = False
  dtype: DTypeLike = jnp.float32
  kernel_init: nn.initializers.Initializer = HE_NORMAL
  groups: int = 1
  bias_init: nn.initializers.Initializer = nn.initializers.zeros

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps x (b, h, w, c) to (b, h', w', d)."""
    sides, c = pair(self.kernel), x.shape[-1]
    _check_groups(self.groups, c, self.features)
    shape = (*sides, c // self.groups, self.features)
    kernel = self.param("kernel", self.kernel_init, shape, jnp.float32)
    padding = self.padding
    if padding is None:
      padding = tuple(self.dilation * (side - 1) // 2 for side in sides)
    x = x.astype(self.dtype)
    y = convolve(
      x, kernel, self.stride, padding, self.dilation, groups=self.groups
    )
    if self.use_bias:
      bias = self.param("bias", self.bias_init, (self.features,), jnp.float32)
      y = add(y, bias)
    return y


def _check_groups(groups: int, c: int, features: int) -> None:
  if c % groups or features % groups:
    raise UserError(
      f"Conv: got groups={groups} for {c} channels and {features} features; "
      "expected a divisor of both."
    )


def convolve(
  x: Array,
  kernel: Array,
  stride: int = 1,
  padding: int | tuple[int, int] = 0,
  dilation: int = 1,
  groups: int = 1,
) -> Array:
  """Convolves x (b, h, w, c) with kernel (k, l, c / groups, d), zero padded.

  In x's dtype; the gradient of a float32 kernel is as `weighted` says, and the
  form as `convolution` does.
  """
  product = functools.partial(
    convolution,
    stride=stride,
    padding=padding,
    dilation=dilation,
    groups=groups,
  )
  if is_shifts(x, kernel, groups):
    return product(x, kernel)  # its gradient is like `weighted`'s
  return weighted(product, x, kernel)


def max_pool(x: Array, size: int = 2, stride: int = 2, padding: int = 0):
  """Largest value of each window of x (b, h, w, c); a rest is left out.

  Padding counts as -inf. Of equal values the first in reading order takes the
  whole gradient, in both forms, as in torch. NaN is passed on.

  In the form "shifts" it is the maximum of size² shifted and strided images,
  whose gradient needs no scatter.
  """
  _, h, w, _ = x.shape
  if min(h, w) + 2 * padding < size:
    raise UserError(
      f"max_pool: got an image of {h} x {w}; a window of {size} with padding "
      f"{padding} does not fit; use larger images or fewer poolings."
    )
  operation = "pool_blocks" if size == stride else "pool_shifts"
  if form(operation) == "window":
    pads = ((padding, padding), (padding, padding))
    return nn.max_pool(
      x, window_shape=(size, size), strides=(stride, stride), padding=pads
    )
  if padding:
    pads = ((0, 0), (padding, padding), (padding, padding), (0, 0))
    x = jnp.pad(x, pads, constant_values=-jnp.inf)
  shifted = _blocks(x, size) if size == stride else _shifts(x, size, stride)
  best, *others = shifted
  for other in others:
    # Not jnp.maximum, which splits the gradient between equal values.
    best = jnp.where((other > best) | jnp.isnan(other), other, best)
  return best


def _blocks(x: Array, size: int) -> list[Array]:
  """The size² places in windows that do not overlap, in reading order."""
  b, h, w, c = x.shape
  h, w = h // size, w // size
  x = x[:, : h * size, : w * size].reshape(b, h, size, w, size, c)
  return [x[:, :, i, :, j] for i in range(size) for j in range(size)]


def _shifts(x: Array, size: int, stride: int) -> list[Array]:
  """The size² places in windows that overlap, in reading order."""
  h, w = (stride * ((n - size) // stride) + 1 for n in x.shape[1:3])
  return [
    x[:, i : i + h : stride, j : j + w : stride]
    for i in range(size)
    for j in range(size)
  ]


def global_average(x: Array) -> Array:
  """Mean over the image: (b, h, w, c) to (b, c) float32."""
  return jnp.mean(x, axis=(1, 2), dtype=jnp.float32)
