"""Convolution and pooling, NHWC, in XLA's form or an equal, faster one."""

import functools

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.forms.choice import form
from vision_jax.layers.broadcast import add
from vision_jax.layers.weights import weighted
from vision_jax.ops.convolution import convolution, is_shifts, pair

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


def max_pool(
  x: Array,
  size: int = 2,
  stride: int = 2,
  padding: int | str = 0,
  ceil: bool = False,
) -> Array:
  """Largest value of each window of x (b, h, w, c); a rest is left out.

  With ceil=True a rest is a window too, if it begins within the image (or the
  padding before it), as in torch's ceil_mode. With padding="same" sides of n
  become n / stride, rounded up, as in TensorFlow: of an odd number of pixels
  that this takes the extra one lies below and to the right.

  Padding counts as -inf. Of equal values the first in reading order takes the
  whole gradient, in both forms, as in torch. NaN is passed on.

  In the form "shifts" it is the maximum of size² shifted and strided images,
  whose gradient needs no scatter.
  """
  pads = _pool_pads("max_pool", x, size, stride, padding, ceil)
  if _is_window(size, stride):
    return nn.max_pool(
      x, window_shape=(size, size), strides=(stride, stride), padding=pads
    )
  best, *others = _places(x, size, stride, pads, -jnp.inf)
  for other in others:
    # Not jnp.maximum, which splits the gradient between equal values.
    best = jnp.where((other > best) | jnp.isnan(other), other, best)
  return best


def avg_pool(
  x: Array, size: int = 2, stride: int = 2, padding: int = 0
) -> Array:
  """Mean of each window of x (b, h, w, c); a rest is left out.

  Padding counts as zeros, as in torch. Adds up in float32 at least.
  """
  pads = _pool_pads("avg_pool", x, size, stride, padding)
  wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
  if _is_window(size, stride):
    mean = nn.avg_pool(wide, (size, size), (stride, stride), pads)
  else:
    places = _places(wide, size, stride, pads, 0)
    mean = functools.reduce(jnp.add, places) / size**2
  return mean.astype(x.dtype)


def adaptive_average(x: Array, sides: tuple[int, int]) -> Array:
  """Means of x (b, h, w, c) over `sides` windows: (b, *sides, c).

  Window i of n begins at i * h // n and ends where (i + 1) * h / n, rounded up,
  is, as in torch: windows overlap where n does not divide h.
  """
  if x.shape[1:3] == tuple(sides):
    return x
  wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
  rows, columns = map(_windows, x.shape[1:3], sides)
  return jnp.einsum("ph,bhwc,qw->bpqc", rows, wide, columns).astype(x.dtype)


def _windows(length: int, windows: int) -> np.ndarray:
  """The weights (windows, length) of the means along an axis."""
  weights = np.zeros((windows, length), np.float32)
  for i in range(windows):
    part = slice(i * length // windows, -(-(i + 1) * length // windows))
    weights[i, part] = 1 / (part.stop - part.start)
  return weights


def _pool_pads(where, x, size, stride, padding, ceil=False):
  """Padding of both axes; what `ceil` adds is after them."""
  _, h, w, _ = x.shape
  if padding == "same":
    return tuple(_same(n, size, stride) for n in (h, w))
  if isinstance(padding, str):
    raise UserError(
      f"{where}: got padding={padding!r}; expected a number of pixels, or "
      "'same'."
    )
  if min(h, w) + 2 * padding < size:
    raise UserError(
      f"{where}: got an image of {h} x {w}; a window of {size} with padding "
      f"{padding} does not fit; use larger images or fewer poolings."
    )
  more = [_rest(n, size, stride, padding) if ceil else 0 for n in (h, w)]
  return tuple((padding, padding + extra) for extra in more)


def _same(n: int, size: int, stride: int) -> tuple[int, int]:
  """TensorFlow's padding of n pixels: (before, after)."""
  total = max((-(-n // stride) - 1) * stride + size - n, 0)
  return total // 2, total - total // 2


def _rest(n: int, size: int, stride: int, padding: int) -> int:
  """Padding that completes the window of a rest which begins in n pixels."""
  more = -(n + 2 * padding - size) % stride
  return more if padding + more < size else 0


def _is_window(size: int, stride: int) -> bool:
  operation = "pool_blocks" if size == stride else "pool_shifts"
  return form(operation) == "window"


def _places(x, size, stride, pads, value) -> list[Array]:
  """The size² places in the windows, in reading order."""
  if any(map(any, pads)):
    x = jnp.pad(x, ((0, 0), *pads, (0, 0)), constant_values=value)
  return _blocks(x, size) if size == stride else _shifts(x, size, stride)


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
