"""Maps seen at points, and the points where a mask is unsure."""

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array
from vision_jax.ops.deformable import sample_levels
from vision_jax.ops.local import per_image
from vision_jax.ops.shapes import check_shape


def sample_points(maps: Array, points: Array) -> Array:
  """Returns the bilinear values (b, n, p) of maps (b, n, h, w) at points.

  A map reaches from 0 to 1, a pixel's value is at its centre, and what is
  beyond is 0, as torch's `grid_sample(align_corners=False)` has it.

  Args:
    maps: (b, n, h, w).
    points: x and y, (b, p, 2) the same of an image's maps, or (b, n, p, 2).
  """
  b, n, h, w = check_shape("maps", maps, "b n h w")
  rows = jnp.moveaxis(maps.reshape(b, n, h * w), 1, 2)
  if points.ndim == 3:  # a head of n features
    values, at = rows[:, :, None], points[:, :, None]
  else:  # n heads of a feature each
    values, at = rows[..., None], jnp.moveaxis(points, 1, 2)
  at = at[:, :, :, None, None]
  weights = jnp.ones(at.shape[:-1], maps.dtype)
  seen = sample_levels(values, at, weights, [(h, w)])
  return jnp.moveaxis(seen.reshape(b, -1, n), 1, 2)


def unsure_points(masks: Array, candidates: Array, number: int) -> Array:
  """Returns the points where masks are nearest to a half, (b, n, number, 2).

  Kirillov et al., 2020, https://arxiv.org/abs/1912.08193, section 3.1.

  Args:
    masks: (b, n, h, w), logits.
    candidates: (b, n, c, 2) x and y, out of which they are taken.
    number: how many, c at most.
  """
  near = -jnp.abs(sample_points(masks, candidates))
  best = per_image(lambda x: jax.lax.top_k(x, number)[1])(near)
  return jnp.take_along_axis(candidates, best[..., None], 2)
