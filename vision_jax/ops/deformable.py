"""Deformable attention's sampling: maps of several sizes, seen at points.

Of four maps of 30 x 40 pixels and fewer, value and gradient of four images on
two CPU cores: a loop over the four pixels about each point 2.4 s and 0.3 GB;
the four written out 3.2 s and 1.1 GB; one gather of all 4.0 s and 1.4 GB.
"""

import functools
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from vision_jax.core.types import Array
from vision_jax.ops.local import per_image
from vision_jax.ops.shapes import check_shape

Sides = Sequence[tuple[int, int]]  # (h, w) of each map
_CORNERS = np.array([(0, 0), (1, 0), (0, 1), (1, 1)], np.float32)  # x, y


def sample_levels(
  values: Array, points: Array, weights: Array, sides: Sides
) -> Array:
  """Adds up bilinear samples of maps of several sizes, (b, q, m, d).

  Zhu et al., 2021, https://arxiv.org/abs/2010.04159, equation 3. A map reaches
  from 0 to 1, a pixel's value is at its centre, and what is beyond is 0. The
  samples, many more than the values, are taken again in the backward pass.

  Args:
    values: (b, l, m, d) of m heads: the maps' rows, one map after the other.
    points: (b, q, m, i, p, 2) x, y of p samples of each of the i maps.
    weights: (b, q, m, i, p), of the samples.
    sides: (h, w) of each map; l is the number of all their pixels.
  """
  length = sum(math.prod(side) for side in sides)
  b, _, m, _ = check_shape("values", values, f"b {length} m d")
  shape = f"{b} q {m} {len(sides)} p"
  _, q, _, _, p = check_shape("weights", weights, shape)
  check_shape("points", points, f"{b} {q} {m} {len(sides)} {p} 2")
  sides = np.array(sides, np.int32).reshape(-1, 2)
  return per_image(functools.partial(_sample, sides=sides))(
    # A head's samples lie side by side, as its values do.
    *(values, jnp.moveaxis(points, 2, 4), jnp.moveaxis(weights, 2, 4))
  )


def _sample(
  values: Array, points: Array, weights: Array, sides: np.ndarray
) -> Array:
  """Of points (b, q, i, p, m, 2) and weights (b, q, i, p, m)."""
  look = jax.checkpoint(functools.partial(_look, sides=sides))
  add = lambda y, corner: (y + look(values, points, weights, corner), None)
  start = jnp.zeros((*points.shape[:2], *values.shape[2:]), jnp.float32)
  return jax.lax.scan(add, start, _CORNERS)[0].astype(values.dtype)


def _look(
  values: Array,
  points: Array,
  weights: Array,
  corner: Array,
  sides: np.ndarray,
) -> Array:
  """What one of the four pixels about each point adds, (b, q, m, d)."""
  b, q, i, p, m, _ = points.shape
  widths = sides[:, None, None, ::-1]  # of x and y, beside (i, p, m, 2)
  at = points.astype(jnp.float32) * widths - 0.5
  pixel = jnp.floor(at)
  # Not by |at - pixel|: at a pixel's centre, where offsets begin, that has no
  # slope.
  after = at - pixel
  share = jnp.prod(jnp.where(corner > 0, after, 1 - after), -1)
  pixel += corner
  inside = jnp.all((pixel >= 0) & (pixel < widths), -1)
  share = jnp.where(inside, share * weights, 0)
  pixel = jnp.clip(pixel, 0, widths - 1).astype(jnp.int32)
  first = np.cumsum(sides.prod(1)) - sides.prod(1)
  place = pixel[..., 1] * widths[..., 0] + pixel[..., 0]
  place += first[:, None, None].astype(np.int32)
  seen = jnp.take_along_axis(values, place.reshape(b, q * i * p, m, 1), 1)
  seen = seen.reshape(b, q, i * p, m, -1)
  return jnp.sum(seen * share.reshape(b, q, i * p, m, 1), 2)
