"""Convolutions whose outputs see a part of the channels, as a CPU likes them.

XLA computes groups in a plain loop there: the gradient of eight groups takes
seventy times as long as that of eight convolutions.
"""

import functools
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array
from vision_jax.ops.local import summed

FEWEST_CHANNELS = 16  # of a convolution; with fewer it takes as long as with 16


def split(
  product: Callable[[Array, Array], Array],
  x: Array,
  kernel: Array,
  groups: int,
) -> Array:
  """Convolves the groups one by one, side by side where they are small.

  Neighbours that have FEWEST_CHANNELS together are one convolution, whose
  kernel is 0 between them: more products, in less time.

  Args:
    product: (x, kernel) -> y, a convolution of all channels.
    x: (b, h, w, c).
    kernel: (k, l, c / groups, d).
    groups: of the channels, in order.
  """
  alike = [n for n in range(1, groups + 1) if groups % n == 0]
  enough = [n for n in alike if n * kernel.shape[2] >= FEWEST_CHANNELS]
  together = enough[0] if enough else groups
  parts = zip(
    jnp.split(x, groups // together, axis=-1),
    jnp.split(kernel, groups // together, axis=-1),
    strict=True,
  )
  results = [product(x, _beside(k, together)) for x, k in parts]
  return jnp.concatenate(results, axis=-1)


def _beside(kernel: Array, groups: int) -> Array:
  """The kernel (k, l, groups c, d) of groups that have one of (k, l, c, d)."""
  *sides, c, d = kernel.shape
  blocks = kernel.reshape(*sides, 1, c, groups, d // groups)
  own = jnp.eye(groups, dtype=bool)[:, None, :, None]
  return jnp.where(own, blocks, 0).reshape(*sides, groups * c, d)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def depthwise(x: Array, kernel: Array, stride: int, dilation: int) -> Array:
  """Convolves each channel by itself: a sum of shifted images.

  Adds up in float32 at least, over devices too, and takes a float32 kernel
  beside narrower images, to which it is rounded. The kernel's gradient is that
  of one example after the other, whose pixels stay in the cache: with a 7x7
  kernel a third of the time. There are reverse-mode derivatives only.

  Args:
    x: (b, h, w, c), padded.
    kernel: (k, l, 1, c).
    stride: step of the window along both axes.
    dilation: pixels from one of the window's places to the next.

  Returns:
    (b, h', w', c).
  """
  wide = jnp.promote_types(x.dtype, jnp.float32)
  kernel = kernel.astype(x.dtype).astype(wide)
  y = _sum(x.astype(wide), kernel, stride, dilation)
  return y.astype(x.dtype)


def _sum(x, kernel, stride, dilation) -> Array:
  return functools.reduce(jnp.add, _products(x, kernel, stride, dilation))


def _products(x, kernel, stride, dilation) -> Iterator[Array]:
  """The kernel's places times the pixels that they meet."""
  sides = kernel.shape[:2]
  h, w = (
    stride * ((n - dilation * (m - 1) - 1) // stride) + 1
    for n, m in zip(x.shape[1:3], sides, strict=True)
  )
  for i in range(sides[0]):
    for j in range(sides[1]):
      top, left = dilation * i, dilation * j
      shifted = x[:, top : top + h : stride, left : left + w : stride]
      yield shifted * kernel[i, j, 0]


def _forward(x, kernel, stride, dilation):
  return depthwise(x, kernel, stride, dilation), (x, kernel)


def _backward(stride, dilation, saved, dy):
  x, kernel = saved
  wide = jnp.promote_types(x.dtype, jnp.float32)
  dy, full = dy.astype(wide), kernel.astype(x.dtype).astype(wide)
  start = jnp.zeros_like(full)

  def add(total, example):
    x, dy = (a[None] for a in example)
    pull = jax.linear_transpose(lambda k: _sum(x, k, stride, dilation), start)
    return total + pull(dy)[0], None

  of_part = lambda x, dy: jax.lax.scan(add, start, (x, dy))[0]
  dk = summed(of_part)(x.astype(wide), dy)
  spread = _spread(dy, x.shape, kernel.shape, stride, dilation)
  dx = _sum(spread, full[::-1, ::-1], 1, dilation)
  return dx.astype(x.dtype), dk.astype(kernel.dtype)


def _spread(dy, shape, sides, stride, dilation) -> Array:
  """The gradient dy where the windows began, among zeros."""
  pads = []
  for n, out, k in zip(shape[1:3], dy.shape[1:3], sides[:2], strict=True):
    edge = dilation * (k - 1)
    pads.append((edge, n - stride * (out - 1) - 1, stride - 1))
  zero = jnp.zeros((), dy.dtype)
  return jax.lax.pad(dy, zero, [(0, 0, 0), *pads, (0, 0, 0)])


depthwise.defvjp(_forward, _backward)
