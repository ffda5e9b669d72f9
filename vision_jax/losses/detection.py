"""Costs and losses of set prediction; elementwise, never reduced.

Carion et al., 2020, https://arxiv.org/abs/2005.12872; with sigmoids and focal
loss as in Deformable DETR, https://arxiv.org/abs/2010.04159. Predictions have
q queries, the truth n padded boxes; boxes are cxcywh in [0, 1].
"""

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array
from vision_jax.ops.boxes import (
  cxcywh_to_xyxy,
  generalized_iou,
  pairwise_generalized_iou,
)

ALPHA, GAMMA = 0.25, 2.0  # Lin et al., https://arxiv.org/abs/1708.02002


def matching_cost(
  logits: Array,
  boxes: Array,
  label: Array,
  target: Array,
  *,
  background: bool,
  weights: tuple[float, float, float] = (1.0, 5.0, 2.0),
) -> Array:
  """What it costs to match each query with each box, (b, q, n).

  The class's probability, negative (or, without background, the difference
  that a match makes to the focal loss), the L1 distance of the boxes, and
  their GIoU, negative; added with `weights`.

  Args:
    logits: (b, q, k + 1) with background, else (b, q, k).
    boxes: (b, q, 4).
    label: (b, n), the boxes' classes.
    target: (b, n, 4), the boxes.
    background: whether the last logit is "no object".
    weights: of class, L1 and GIoU.
  """
  class_cost = jnp.take_along_axis(
    _class_cost(logits, background), label[:, None, :], -1
  )
  distance = jnp.abs(boxes[:, :, None] - target[:, None]).sum(-1)
  overlap = pairwise_generalized_iou(
    cxcywh_to_xyxy(boxes), cxcywh_to_xyxy(target)
  )
  by_class, by_distance, by_overlap = weights
  return by_class * class_cost + by_distance * distance - by_overlap * overlap


def class_targets(
  query: Array, label: Array, num_queries: int, num_classes: int
) -> Array:
  """The class that each query should predict, (b, q) int32.

  Args:
    query: (b, n), the query of each box, -1 for none.
    label: (b, n), the boxes' classes.
    num_queries: q.
    num_classes: k, which stands for "no object".
  """
  b, _ = query.shape
  target = jnp.full((b, num_queries), num_classes, jnp.int32)
  place = jnp.where(query < 0, num_queries, query)  # dropped
  rows = jnp.arange(b)[:, None]
  return target.at[rows, place].set(label.astype(jnp.int32), mode="drop")


def set_cross_entropy(logits: Array, target: Array) -> Array:
  """Softmax cross entropy (b, q) of logits (b, q, k + 1), target (b, q)."""
  chances = jax.nn.log_softmax(logits.astype(jnp.float32), -1)
  return -jnp.take_along_axis(chances, target[..., None], -1)[..., 0]


def set_focal(logits: Array, target: Array) -> Array:
  """Focal loss (b, q), added over the classes.

  Logits (b, q, k); a target (b, q) of k means no class.
  """
  logits = logits.astype(jnp.float32)
  present = jax.nn.one_hot(target, logits.shape[-1], dtype=jnp.float32)
  rising, falling = _focal(logits)
  return jnp.sum(present * rising + (1 - present) * falling, -1)


def box_losses(
  boxes: Array, target: Array, query: Array
) -> tuple[Array, Array]:
  """L1 distance and 1 - GIoU of each box with its query's, (b, n) each.

  Args:
    boxes: (b, q, 4), the queries'.
    target: (b, n, 4), the truth.
    query: (b, n), the query of each box; what is below 0 has to be masked.
  """
  place = jnp.maximum(query, 0)[..., None]
  found = jnp.take_along_axis(boxes, place, 1)
  distance = jnp.abs(found - target).sum(-1)
  overlap = generalized_iou(cxcywh_to_xyxy(found), cxcywh_to_xyxy(target))
  return distance, 1 - overlap


def _class_cost(logits: Array, background: bool) -> Array:
  """Cost of each class at each query, (b, q, k)."""
  logits = logits.astype(jnp.float32)
  if background:
    return -jax.nn.softmax(logits, -1)[..., :-1]
  rising, falling = _focal(logits)
  return rising - falling


def _focal(logits: Array) -> tuple[Array, Array]:
  """Focal loss of each class where it is there, and where it is not."""
  chance = jax.nn.sigmoid(logits)
  rising = ALPHA * (1 - chance) ** GAMMA * jax.nn.softplus(-logits)
  falling = (1 - ALPHA) * chance**GAMMA * jax.nn.softplus(logits)
  return rising, falling
