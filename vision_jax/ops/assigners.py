"""Which box each anchor of an image is to find, if any.

Of one image: anchors (l, 4) and boxes (n, 4), xyxy in pixels, of which `real`
(n,) are there. The result is (l,) int32: the number of a box, or `NOTHING`, or
`BETWEEN`, an anchor that is neither right nor wrong. A box of no area is found
by none.
"""

import jax
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
  own: bool = False,
) -> Array:
  """RetinaNet's and Faster R-CNN's: the box that an anchor overlaps most.

  Args:
    anchors, boxes, real: see above.
    high: IoU from which on it finds the box.
    low: IoU from which on it finds `BETWEEN`.
    best: whether the anchors that overlap a box most find one whatever that
      overlap is, all of them if several are equal.
    own: whether each box is found by the first anchor that overlaps it most,
      whatever else that overlaps more, as in SSD; of boxes with the same one
      the last.

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
  if own:
    first = jnp.arange(len(overlap))[:, None] == jnp.argmax(overlap, 0)
    mine, n = first & (overlap > 0), boxes.shape[0]
    last = n - 1 - jnp.argmax(mine[:, ::-1], -1)
    box = jnp.where(mine.any(-1), last, box)
    found |= mine.any(-1)
  other = jnp.where(most >= low, BETWEEN, NOTHING)
  return jnp.where(found, box, other).astype(jnp.int32)


def by_cost(
  anchors: Array,
  boxes: Array,
  real: Array,
  predicted: Array,
  class_cost: Array,
  *,
  radius: float = 1.5,
  most: int = 10,
  weight: float = 3.0,
) -> Array:
  """SimOTA: each box is found where that costs least, as often as it is due.

  A place, the centre of a cell, may find a box whose centre is less than
  `radius` cells away along each axis. What that costs is the class's loss and
  `weight` times the negative logarithm of the IoU of what the place predicts
  with the box. The box is found by so many places as the `most` largest IoUs
  add up to, cut to a whole number, one at least, those of least cost; of boxes
  that choose one place that remains which costs it least. Ge et al.,
  https://arxiv.org/abs/2107.08430, section 2.

  Differs from the authors' code: where fewer places are near a box than it is
  due, at the image's border, it is not found by others.

  Args:
    anchors, boxes, real: see above; anchors are cells.
    predicted: (l, 4) xyxy.
    class_cost: (l, n), of a place's classes with a box's.
    radius: in cells.
    most: places that find a box, at most.
    weight: of the IoU's cost.
  """
  n, m = len(boxes), min(most, len(anchors))
  if n == 0:
    return jnp.full(len(anchors), NOTHING, jnp.int32)
  there = (real > 0) & (area(boxes) > 0)
  centre, size = jnp.split(xyxy_to_cxcywh(jnp.asarray(anchors)), 2, -1)
  away = jnp.abs(centre[:, None] - xyxy_to_cxcywh(boxes)[:, :2]).max(-1)
  near = (away < radius * size[:, :1]) & there
  overlap = jnp.where(there, pairwise_iou(predicted, boxes), 0)
  overlap = jnp.where(near.any(-1, keepdims=True), overlap, 0)
  cost = class_cost - weight * jnp.log(overlap + 1e-8)
  cost = jnp.where(near, cost, jnp.inf)
  due = jax.lax.top_k(overlap.T, m)[0].sum(-1).astype(jnp.int32)
  least, place = jax.lax.top_k(-cost.T, m)
  chosen = (jnp.arange(m) < jnp.maximum(due, 1)[:, None]) & jnp.isfinite(least)
  matched = jnp.zeros(cost.T.shape, bool)
  matched = matched.at[jnp.arange(n)[:, None], place].set(chosen)
  number = matched.sum(0)
  box = jnp.where(number > 1, jnp.argmin(cost, -1), jnp.argmax(matched, 0))
  return jnp.where(number > 0, box, NOTHING).astype(jnp.int32)


def by_cell(anchors: Array, cells: Array, boxes: Array, real: Array) -> Array:
  """YOLO's: a box is found in the cell of its centre, by one anchor.

  That is the anchor whose shape overlaps the box's most, were both around one
  point, of all levels; of several boxes with one anchor the one it overlaps
  more is found, of equal ones the first. Redmon and Farhadi,
  https://arxiv.org/abs/1804.02767, section 2.1.

  Args:
    anchors, boxes, real: see above.
    cells: (l, 4), of the anchors' places; a centre on an edge between two is in
      the later one.
  """
  if boxes.shape[0] == 0:
    return jnp.full(len(anchors), NOTHING, jnp.int32)
  there = (real > 0) & (area(boxes) > 0)
  cells, anchors = jnp.asarray(cells), jnp.asarray(anchors)
  centre, size = jnp.split(xyxy_to_cxcywh(boxes), 2, -1)
  inside = (centre >= cells[:, None, :2]) & (centre < cells[:, None, 2:])
  shape = jnp.concatenate([jnp.zeros_like(size), size], -1)
  around = jnp.pad(anchors[:, 2:] - anchors[:, :2], ((0, 0), (2, 0)))
  overlap = pairwise_iou(around, shape)
  overlap = jnp.where(inside.all(-1) & there, overlap, -1.0)
  best = jnp.arange(len(anchors))[:, None] == jnp.argmax(overlap, 0)
  overlap = jnp.where(best, overlap, -1.0)
  box = jnp.argmax(overlap, -1)
  return jnp.where(overlap.max(-1) > 0, box, NOTHING).astype(jnp.int32)
