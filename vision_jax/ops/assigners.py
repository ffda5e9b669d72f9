"""Which box each anchor of an image is to find, if any.

Of one image: anchors (l, 4) and boxes (n, 4), xyxy in pixels, of which `real`
(n,) are there. The result is (l,) int32: the number of a box, or `NOTHING`, or
`BETWEEN`, an anchor that is neither right nor wrong. A box of no area is found
by none.
"""

import jax.numpy as jnp

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.ops.boxes import area, pairwise_iou, xyxy_to_cxcywh

NOTHING, BETWEEN = -1, -2


def by_centre(
  anchors: Array,
  ranges: Array,
  boxes: Array,
  real: Array,
  *,
  radius: float = 1.5,
) -> Array:
  """FCOS's: places in the middle of a box whose size fits their map.

  A place is the centre of a square anchor as large as its map's stride. It
  finds a box that it lies in, `radius` strides from the box's centre at most,
  along each axis, if the farthest of the four sides is within its range; of
  several the smallest, and of equal ones the first. Tian et al.,
  https://arxiv.org/abs/2006.09214, section 3.

  Args:
    anchors, boxes, real: see above.
    ranges: (l, 2), the distances that a place is for, without their ends.
    radius: in strides.
  """
  if boxes.shape[0] == 0:
    return jnp.full(len(anchors), NOTHING, jnp.int32)
  centre, size = jnp.split(xyxy_to_cxcywh(jnp.asarray(anchors)), 2, -1)
  middle = xyxy_to_cxcywh(boxes)[:, :2]
  away = jnp.abs(centre[:, None] - middle).max(-1)
  sides = jnp.concatenate(
    [centre[:, None] - boxes[:, :2], boxes[:, 2:] - centre[:, None]], -1
  )
  farthest = sides.max(-1)
  fits = (away < radius * size[:, :1]) & (sides.min(-1) > 0)
  fits &= (farthest > ranges[:, :1]) & (farthest < ranges[:, 1:])
  fits &= real > 0
  sizes = jnp.where(fits, area(boxes), jnp.inf)
  return jnp.where(fits.any(-1), jnp.argmin(sizes, -1), NOTHING)


def by_overlap(
  anchors: Array,
  boxes: Array,
  real: Array,
  *,
  high: float = 0.5,
  low: float = 0.4,
  best: bool = True,
) -> Array:
  """RetinaNet's and Faster R-CNN's: the box that an anchor overlaps most.

  Args:
    anchors, boxes, real: see above.
    high: IoU from which on it finds the box.
    low: IoU from which on it finds `BETWEEN`.
    best: whether the anchors that overlap a box most find one whatever that
      overlap is, all of them if several are equal.

  Raises:
    UserError: if low is above high.
  """
  if not 0 <= low <= high <= 1:
    raise UserError(f"low, high: got {low}, {high}; expected IoUs in order.")
  if boxes.shape[0] == 0:
    return jnp.full(len(anchors), NOTHING, jnp.int32)
  there = (real > 0) & (area(boxes) > 0)
  overlap = jnp.where(there, pairwise_iou(jnp.asarray(anchors), boxes), -1.0)
  most, box = overlap.max(-1), jnp.argmax(overlap, -1)
  found = most >= high
  if best:
    found |= ((overlap == overlap.max(0)) & there).any(-1)
  other = jnp.where(most >= low, BETWEEN, NOTHING)
  return jnp.where(found, box, other).astype(jnp.int32)
