"""Losses of what is found in boxes: masks, and keypoints as heatmaps.

As torchvision has them: https://arxiv.org/abs/1703.06870. Both are means over
what an image has, and then over the images that have boxes. Of a batch without
masks, or keypoints, nothing is learned.
"""

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array, Batch, Mean
from vision_jax.losses.two_stage import Looked, share, taken
from vision_jax.ops.boxes import canvas_scale
from vision_jax.ops.local import per_image
from vision_jax.ops.roi_align import box_weights


def mask_loss(logits: Array, regions: Looked, batch: Batch) -> Mean:
  """Cross entropy of the masks in boxes that find an object.

  Args:
    logits: (b, m, s, s, k + 1), of all classes; the box's own counts.
    regions: the boxes, (b, m, ...).
    batch: its `masks` (b, n, h, w) are the objects', or `instances` (b, h, w),
      where the object at place i is i + 1.
  """
  if not {"masks", "instances"} & set(batch):
    return _nothing()
  cells = logits.shape[2:4]
  truth = jax.lax.stop_gradient(_inside(regions, batch, cells))
  label = regions.label[:, :, None, None, None]
  own = jnp.take_along_axis(logits, label, -1)[..., 0]
  values = (jax.nn.softplus(own) - own * truth).mean((2, 3))
  there = batch["mask"] * (batch["box_mask"] > 0).any(-1)
  return share(values, regions.found, regions.found.sum(-1), there)


def _inside(regions: Looked, batch: Batch, cells: tuple[int, int]) -> Array:
  """The masks of the boxes' objects as the boxes show them, (b, m, s, s)."""
  masks = batch["masks"] if "masks" in batch else batch["instances"]

  def one(boxes: Array, number: Array, masks: Array) -> Array:
    if masks.ndim == 3:
      own = masks[number] > 0
    else:
      own = masks == number[:, None, None] + 1
    rows, columns = box_weights(boxes, own.shape[1:], cells, 0)
    seen = jnp.einsum("mph,mhw->mpw", rows, own.astype(rows.dtype))
    return jnp.einsum("mpw,mqw->mpq", seen, columns)

  return per_image(jax.vmap(one))(regions.boxes, regions.number, masks)


def keypoint_loss(logits: Array, regions: Looked, batch: Batch) -> Mean:
  """Cross entropy over the places of keypoints that are seen in their box.

  Args:
    logits: (b, m, s, s, j).
    regions: the boxes, (b, m, ...).
    batch: its `keypoints` (b, n, j, 3) are x and y in [0, 1] of the image and
      whether one is labelled, above 0.
  """
  if "keypoints" not in batch:
    return _nothing()
  b, m, s, _, j = logits.shape
  points = taken(batch["keypoints"], regions.number)
  scale = canvas_scale(batch)[:, None, None, :2]
  place, there = heatmap_places(points[..., :2] * scale, regions.boxes, s)
  there &= (points[..., 2] > 0) & regions.found[..., None]
  probs = jax.nn.log_softmax(logits.reshape(b, m, s * s, j), 2)
  place = jnp.where(there, place, 0)[:, :, None]
  values = -jnp.take_along_axis(probs, place, 2)[:, :, 0].reshape(b, m * j)
  there = there.reshape(b, m * j)
  seen = (batch["keypoints"][..., 2] > 0).any(-1) & (batch["box_mask"] > 0)
  return share(values, there, there.sum(-1), batch["mask"] * seen.any(-1))


def heatmap_places(
  points: Array, boxes: Array, size: int
) -> tuple[Array, Array]:
  """Returns the cells of points in their boxes, and whether they are inside.

  Args:
    points: (..., j, 2) x and y in pixels.
    boxes: (..., 4) xyxy in pixels.
    size: cells of a box along an axis, s.

  Returns:
    (..., j) int32, 0 ... s² - 1 row by row, and (..., j) bool.
  """
  low, high = boxes[..., None, :2], boxes[..., None, 2:]
  part = (points - low) / jnp.maximum(high - low, 1e-6)
  at = jnp.floor(part * size).astype(jnp.int32)
  at = jnp.where(points == high, size - 1, at)
  inside = ((at >= 0) & (at < size)).all(-1)
  return at[..., 1] * size + at[..., 0], inside


def _nothing() -> Mean:
  return Mean(jnp.float32(0), jnp.float32(0))
