"""Convolution of clips, NTHWC, in XLA's form or an equal, faster one."""

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array
from vision_jax.forms.choice import form
from vision_jax.ops.convolution import convolution

Sides = tuple[int, int, int]  # of time, height and width


def convolution3d(
  x: Array,
  kernel: Array,
  stride: tuple[int, int] = (1, 1),
  padding: Sides = (0, 0, 0),
  dilation: int = 1,
) -> Array:
  """Convolves x (b, t, h, w, c) with kernel (s, k, l, c, d) of its dtype.

  In the form "taps" the frames that a kernel meets are laid over one another,
  as the channels of one image, whose convolution is that of `convolution`. On a
  CPU it is several times faster than XLA's, and its weight's gradient up to 30
  times; it takes s copies of the frames.

  Args:
    x: clips.
    kernel: weights.
    stride: step of the window in time, and along both axes of the image.
    padding: zeros at both ends of time, height and width.
    dilation: frames from one of the window's places in time to the next.

  Returns:
    (b, t', h', w', d), with t' = (t + 2 padding - dilation (s - 1) - 1) //
    stride + 1, and h', w' as of `convolution`.
  """
  if form("conv_3d") == "taps":
    return _of_taps(x, kernel, stride, padding, dilation)
  return jax.lax.conv_general_dilated(
    x,
    kernel,
    (stride[0], stride[1], stride[1]),
    [(pad, pad) for pad in padding],
    rhs_dilation=(dilation, 1, 1),
    dimension_numbers=("NDHWC", "DHWIO", "NDHWC"),
  )


def _of_taps(x, kernel, stride, padding, dilation) -> Array:
  before, *sides = padding
  taps, *shape, c, d = kernel.shape
  x = jnp.pad(x, ((0, 0), (before, before), *((0, 0),) * 3))
  b, t, h, w, _ = x.shape
  frames = (t - dilation * (taps - 1) - 1) // stride[0] + 1
  end = stride[0] * (frames - 1) + 1
  starts = [dilation * i for i in range(taps)]
  met = [x[:, i : i + end : stride[0]] for i in starts]
  images = jnp.concatenate(met, -1).reshape(b * frames, h, w, taps * c)
  flat = jnp.moveaxis(kernel, 0, 2).reshape(*shape, taps * c, d)
  y = convolution(images, flat, stride[1], tuple(sides))
  return y.reshape(b, frames, *y.shape[1:])
