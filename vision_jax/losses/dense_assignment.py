"""What the anchors of a batch's images, or other boxes in them, should find.

Boxes with `crowd` (b, n) are regions of many objects: what lies in one and
finds no box learns nothing of classes.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array, Batch
from vision_jax.ops.assigners import BETWEEN
from vision_jax.ops.boxes import canvas_scale, cxcywh_to_xyxy, pairwise_inside
from vision_jax.ops.local import per_image

# (anchors (l, 4), boxes (n, 4), real (n,), ...) -> (l,), as `by_overlap`.
Assign = Callable[..., Array]


class Truth(NamedTuple):
  """The boxes of a batch, as its images show them.

  Attributes:
    boxes: (b, n, 4) xyxy in pixels of `image`; 0 where there is none.
    real: (b, n) bool, whether there is one, of one object.
    crowd: (b, n) bool, whether it is a region of many; None where the batch
      does not say it.
  """

  boxes: Array
  real: Array
  crowd: Array | None = None

  @classmethod
  def of(cls, batch: Batch) -> "Truth":
    """Returns the boxes of a batch of `Detection`."""
    there = batch["box_mask"] > 0
    boxes = cxcywh_to_xyxy(batch["boxes"]) * canvas_scale(batch)[:, None]
    boxes = jnp.where(there[..., None], boxes, 0)
    if "crowd" not in batch:
      return cls(boxes, there)
    crowd = there & (batch["crowd"] > 0)
    return cls(boxes, there & ~crowd, crowd)


class Wanted(NamedTuple):
  """What the anchors of images should find.

  Attributes:
    found: (b, l) bool, whether an anchor finds a box.
    label: (b, l), the box's class, or k.
    boxes: (b, l, 4) xyxy in pixels; the anchor itself where it finds none.
    counts: (b, l) bool, whether the classes of an anchor are learned.
    number: (b, l), which of the batch's boxes it finds; 0 where none.
  """

  found: Array
  label: Array
  boxes: Array
  counts: Array
  number: Array


def assigned(
  anchors: Array, batch: Batch, num_classes: int, assign: Assign, *own: Array
) -> Wanted:
  """Returns what each anchor should find, without a gradient.

  Args:
    anchors: (l, 4), or of each image (b, l, 4), xyxy in pixels of `image`.
    batch: as for `Detection`.
    num_classes: k.
    assign: finds the box of each anchor, of one image.
    *own: (b, ...) what it takes of an image besides.
  """
  b = len(batch["image"])
  each = jax.lax.stop_gradient((Truth.of(batch), batch["label"], *own))
  one = lambda anchors, truth, label, *own: _of_image(
    anchors, truth, label, num_classes, assign, *own
  )
  if anchors.ndim == 2:  # the same of all images, a constant
    alike = jnp.asarray(anchors)
    found = per_image(jax.vmap(lambda *x: one(alike, *x)))(*each)
  else:
    assert len(anchors) == b, (anchors.shape, b)
    found = per_image(jax.vmap(one))(anchors, *each)
  return jax.tree.map(jax.lax.stop_gradient, found)


def _of_image(
  anchors: Array,
  truth: Truth,
  label: Array,
  k: int,
  assign: Assign,
  *own: Array,
) -> Wanted:
  """`assigned` for one image."""
  box = assign(anchors, truth.boxes, truth.real, *own)
  found, counts = box >= 0, box != BETWEEN
  at = jnp.maximum(box, 0)
  if not len(truth.boxes):
    label = jnp.full(len(anchors), k, jnp.int32)
    return Wanted(found, label, anchors, counts, at)
  if truth.crowd is not None:
    inside = pairwise_inside(anchors, truth.boxes)
    inside = jnp.where(truth.crowd, inside, 0).max(-1)
    counts &= found | (inside < 0.5)
  label = jnp.where(found, label[at], k).astype(jnp.int32)
  boxes = jnp.where(found[:, None], truth.boxes[at], anchors)
  return Wanted(found, label, boxes, counts, at)
