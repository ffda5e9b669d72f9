"""Keypoints that move with their boxes, (b, n, j, 3) in parts of the image.

Each is x, y and whether it is labelled, above 0; where it is not, or no longer
in the image, all three are 0.
"""

from collections.abc import Sequence

import jax.numpy as jnp

from vision_jax.core.types import Array
from vision_jax.errors import UserError


def mirror_points(
  points: Array, flip: Array, axis: int, mirrored: Sequence[int] | None
) -> Array:
  """Returns the keypoints of images of which some are mirrored.

  Args:
    points: (b, n, j, 3).
    flip: (b,) bool, which images are.
    axis: 0 exchanges left and right, 1 top and bottom; in either what is left
      of a person becomes right.
    mirrored: the place of the keypoint that each one becomes, j.
  """
  j = points.shape[2]
  if mirrored is None or sorted(mirrored) != [*range(j)]:
    raise UserError(
      f"mirrored: got {mirrored} for {j} keypoints; expected the place of the "
      f"keypoint that each one is in a mirror, all of 0 to {j - 1}, such as "
      "`Keypoints.mirrored` of their names."
    )
  there = jnp.where(points[..., 2] > 0, 1 - points[..., axis], 0)
  moved = points.at[..., axis].set(there)
  moved = moved[:, :, jnp.array(mirrored)]
  return jnp.where(flip[:, None, None, None], moved, points)


def points_in(points: Array, window: Array, box_mask: Array) -> Array:
  """Returns keypoints as windows of their images show them.

  Args:
    points: (b, n, j, 3).
    window: (b, 4) x, y, width and height in parts of the image.
    box_mask: (b, n), 0 where a box is no longer there.
  """
  low, size = window[:, None, None, :2], window[:, None, None, 2:]
  place = (points[..., :2] - low) / size
  seen = ((place >= 0) & (place <= 1)).all(-1) & (points[..., 2] > 0)
  seen &= box_mask[..., None] > 0
  moved = jnp.concatenate([place, points[..., 2:]], -1)
  return jnp.where(seen[..., None], moved, 0).astype(points.dtype)
