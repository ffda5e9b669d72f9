"""Resampling by two with the binomial filter 1, 3, 3, 1 along each axis.

As StyleGAN2 has it (https://arxiv.org/abs/1912.04958): beyond the border are
zeros. Weighted sums of shifted maps, which XLA makes one loop of. All take maps
x (b, h, w, d).
"""

import jax.numpy as jnp

from vision_jax.core.types import Array

_TAPS = (1.0, 3.0, 3.0, 1.0)


def upsample(x: Array) -> Array:
  """Returns maps (b, 2h, 2w, d), of the same mean away from the border."""
  for axis in (1, 2):
    n = x.shape[axis]
    padded = _padded(x, axis, 1, 1)
    before, here, after = (_part(padded, axis, i, n) for i in range(3))
    pairs = jnp.stack(
      [0.25 * before + 0.75 * here, 0.75 * here + 0.25 * after], axis + 1
    )
    x = pairs.reshape(*x.shape[:axis], 2 * n, *x.shape[axis + 1 :])
  return x


def downsample(x: Array) -> Array:
  """Returns maps (b, h / 2, w / 2, d); h and w are even."""
  return blur(x, 1, stride=2)


def blur(x: Array, pad: int, *, gain: float = 1.0, stride: int = 1) -> Array:
  """Smooths maps with zeros around them, n - 3 + 2 pad pixels of n.

  Args:
    x: maps.
    pad: zeros on each side.
    gain: what all is multiplied by, at no cost.
    stride: of how many pixels one is kept, beginning with the first.
  """
  share = gain**0.5 / sum(_TAPS)
  for axis in (1, 2):
    n = x.shape[axis] - 3 + 2 * pad
    padded = _padded(x, axis, pad, pad)
    parts = (_part(padded, axis, i, n, stride) for i in range(len(_TAPS)))
    x = sum(share * tap * x for tap, x in zip(_TAPS, parts, strict=True))
  return x


def _padded(x: Array, axis: int, before: int, after: int) -> Array:
  return jnp.pad(
    x, [(before, after) if i == axis else (0, 0) for i in range(x.ndim)]
  )


def _part(x: Array, axis: int, start: int, n: int, stride: int = 1) -> Array:
  """n places from start on, of which one in `stride` is kept."""
  places = [slice(None)] * x.ndim
  places[axis] = slice(start, start + n, stride)
  return x[tuple(places)]
