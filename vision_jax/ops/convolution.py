"""Convolution of images, NHWC, in XLA's form or an equal, faster one."""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array
from vision_jax.forms.choice import form
from vision_jax.ops.grouped import depthwise, split
from vision_jax.ops.product import product

FEW_CHANNELS = 8  # with fewer, XLA's form is the faster one on small maps too
MOST_PATCHES = 2**26  # values that the patches of small maps may have
FEW_IMAGES = 8  # with fewer, XLA is slow where it pads within a convolution

Pads = Sequence[tuple[int, int]]  # (before, after) of each axis; may be < 0


def convolution(
  x: Array,
  kernel: Array,
  stride: int = 1,
  padding: int | tuple[int, int] = 0,
  dilation: int = 1,
  groups: int = 1,
) -> Array:
  """Convolves x (b, h, w, c) with kernel (k, l, c / groups, d) of its dtype.

  Where the forms say so: a 1x1 kernel is a matrix product of the strided image;
  a kernel as large as its stride one of the patches (a ViT's embedding); and so
  is a kernel that is larger than the map it reads or the one it gives, after
  its places that meet nothing but padding are left out. XLA computes those in a
  plain loop on a CPU (on 2x2 maps 60 times slower), and their input's gradient.
  Few images are padded beforehand: their weight's gradient has images for
  channels, which XLA does not read several at a time where it pads itself.
  Groups are convolutions of their own, and those of one channel shifted images.

  Args:
    x: images or maps.
    kernel: weights.
    stride: step of the window along both axes.
    padding: zeros on each of the four sides, or (above and below, left and
      right).
    dilation: pixels from one of the window's places to the next.
    groups: of the channels, in order: each gives d / groups of the result's.

  Returns:
    (b, h', w', d), with h' = (h + 2 padding - dilation (k - 1) - 1) // stride
    + 1 and w' likewise.
  """
  pads = [(pad, pad) for pad in pair(padding)]
  if groups > 1:
    return _grouped(x, kernel, stride, pads, dilation, groups)
  return _convolution(x, kernel, stride, pads, dilation)


def pair(sides: int | tuple[int, int]) -> tuple[int, int]:
  """Returns (height, width) of what is given for both, or as a pair."""
  return (sides, sides) if isinstance(sides, int) else tuple(sides)


def _grouped(x, kernel, stride, pads, dilation, groups) -> Array:
  if is_shifts(x, kernel, groups):
    return depthwise(_padded(x, pads), kernel, stride, dilation)
  if form("grouped") == "split" and groups < x.shape[-1]:
    product = functools.partial(
      _convolution, stride=stride, pads=pads, dilation=dilation
    )
    return split(product, x, kernel, groups)
  return _by_xla(x, kernel, stride, pads, dilation, groups)


def is_shifts(x: Array, kernel: Array, groups: int) -> bool:
  """Whether `depthwise` convolves these, which takes float32 kernels."""
  alone = 1 < groups == x.shape[-1] == kernel.shape[-1]
  return alone and form("depthwise") == "shifts"


def _convolution(x, kernel, stride, pads, dilation) -> Array:
  padded = any(map(any, pads))
  small = form("small_maps") == "patches" and x.shape[-1] >= FEW_CHANNELS
  if small:
    kernel, pads = _without_idle(x, kernel, stride, pads, dilation)
  sides = kernel.shape[:2]
  inside = max(max(pad) for pad in pads) <= 0
  if inside and sides == (1, 1) and form("conv_1x1") == "product":
    return product(_padded(x, pads)[:, ::stride, ::stride], kernel[0, 0])
  blocks = not padded and sides == (stride, stride) and dilation == 1
  if blocks and stride > 1 and form("patches") == "product":
    return product(_blocks(x, stride), kernel.reshape(-1, kernel.shape[-1]))
  if small and _is_small(x, sides, stride, pads, dilation):
    return _of_patches(_padded(x, pads), kernel, stride, dilation)
  # Images are counted last: an exported batch has no size yet.
  if padded and form("few_images") == "padded" and x.shape[0] < FEW_IMAGES:
    x, pads = _padded(x, pads), [(0, 0)] * 2
  return _by_xla(x, kernel, stride, pads, dilation)


def _by_xla(x, kernel, stride, pads, dilation, groups=1) -> Array:
  return jax.lax.conv_general_dilated(
    x,
    kernel,
    (stride, stride),
    pads,
    rhs_dilation=(dilation, dilation),
    dimension_numbers=("NHWC", "HWIO", "NHWC"),
    feature_group_count=groups,
  )


def _of_patches(x, kernel, stride, dilation) -> Array:
  """Convolves by a product of patches, which adds up in float32 at least.

  As do the gradients: a pixel's is a sum over the patches that it is in.
  """
  wide = jnp.promote_types(x.dtype, jnp.float32)
  patches = _patches(x.astype(wide), kernel.shape[:2], stride, dilation)
  flat = kernel.reshape(-1, kernel.shape[-1]).astype(wide)
  return (patches @ flat).astype(x.dtype)


def _is_small(x, sides, stride, pads, dilation) -> bool:
  """Whether a side of the maps is shorter than the kernel's."""
  b, *lengths, c = x.shape
  out = [
    _length(n, k, stride, pad, dilation)
    for n, k, pad in zip(lengths, sides, pads, strict=True)
  ]
  triples = zip(lengths, out, sides, strict=True)
  shorter = any(min(n, m) < k for n, m, k in triples)
  values = b * out[0] * out[1] * sides[0] * sides[1] * c
  return shorter and 0 < values <= MOST_PATCHES


def _length(n, k, stride, pad, dilation) -> int:
  """The length of an axis of the result."""
  return (n + sum(pad) - dilation * (k - 1) - 1) // stride + 1


def _without_idle(x, kernel, stride, pads, dilation) -> tuple[Array, Pads]:
  """Cuts off the kernel's outer places that meet nothing but padding."""
  cut = []
  for axis, pad in enumerate(pads):
    n, k = x.shape[1 + axis], kernel.shape[axis]
    start, end = _busy(n, k, stride, pad, dilation)
    kernel = jax.lax.slice_in_dim(kernel, start, end, axis=axis)
    cut.append((pad[0] - dilation * start, pad[1] - dilation * (k - end)))
  return kernel, cut


def _busy(n, k, stride, pad, dilation) -> tuple[int, int]:
  """From where to where a kernel's places ever meet one of n pixels."""
  steps = [stride * i for i in range(_length(n, k, stride, pad, dilation))]
  starts = [dilation * i - pad[0] for i in range(k)]
  busy = [
    i
    for i, start in enumerate(starts)
    if any(0 <= start + step < n for step in steps)
  ]
  return (busy[0], busy[-1] + 1) if busy else (0, k)


def _padded(x: Array, pads: Pads) -> Array:
  if not any(map(any, pads)):
    return x
  sides = [(before, after, 0) for before, after in pads]
  return jax.lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *sides, (0, 0, 0)])


def _patches(x, sides, stride, dilation) -> Array:
  """What a kernel of `sides` meets at each of its places: (b, h', w', klc)."""
  h, w = (
    stride * (_length(n, k, stride, (0, 0), dilation) - 1) + 1
    for n, k in zip(x.shape[1:3], sides, strict=True)
  )
  starts = [
    (dilation * i, dilation * j)
    for i in range(sides[0])
    for j in range(sides[1])
  ]
  met = [x[:, i : i + h : stride, j : j + w : stride] for i, j in starts]
  return jnp.concatenate(met, axis=-1)


def _blocks(x: Array, size: int) -> Array:
  """Cuts x (b, h, w, c) into patches (b, h // size, w // size, size²c)."""
  b, h, w, c = x.shape
  h, w = h // size, w // size
  x = x[:, : h * size, : w * size].reshape(b, h, size, w, size, c)
  return x.transpose(0, 1, 3, 2, 4, 5).reshape(b, h, w, size * size * c)
