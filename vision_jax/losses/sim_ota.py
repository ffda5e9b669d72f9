"""YOLOX's loss: places compete for boxes by what finding them would cost.

Ge et al., 2021, https://arxiv.org/abs/2107.08430.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array, Batch, Mean
from vision_jax.losses.dense import joined, mean_of_boxes, wanted_of
from vision_jax.ops.assigners import by_cost
from vision_jax.ops.boxes import iou

_LEAST = -100.0  # of a logarithm, as in torch's cross entropy


@dataclasses.dataclass(frozen=True)
class SimOTACriterion:
  """YOLOX's loss.

  Terms: `objectness`, the cross entropy of every place, and of places that find
  a box `iou`, 1 - IoU², and `class`, the cross entropies of the classes, of
  which the box's is to be the IoU. An image's are divided by the places that
  find a box, at least by one, and count as many times as it has boxes, at least
  once.

  Differs from the paper: terms are divided by an image's places and not by the
  batch's; and the L1 distance of the last epochs is left out.

  Attributes:
    weights: term -> weight in the sum.
    radius, most, cost: see `by_cost`; `cost` is the weight of the IoU's there.
  """

  weights: Mapping[str, float] = dataclasses.field(
    default_factory=lambda: {"class": 1.0, "iou": 5.0, "objectness": 1.0}
  )
  radius: float = 1.5
  most: int = 10
  cost: float = 3.0
  background = False

  def __call__(
    self, outputs: Mapping[str, Any], batch: Batch
  ) -> dict[str, Mean]:
    """Returns the terms of a model's outputs, `objectness` (b, l) too."""
    anchors = jnp.concatenate(outputs["anchors"])

    def assign(truth, real, label, predicted, *scores):
      cost = class_cost(*scores, label)
      options = {"radius": self.radius, "most": self.most, "weight": self.cost}
      return by_cost(anchors, truth, real, predicted, cost, **options)

    boxes, logits, objectness = (
      joined(outputs[name]) for name in ("boxes", "logits", "objectness")
    )
    own = batch["label"], boxes, logits, objectness
    wanted = wanted_of(outputs, batch, assign, *own)
    found, overlap = wanted.found, iou(boxes, wanted.boxes)
    one_hot = jax.nn.one_hot(wanted.label, logits.shape[-1], dtype=jnp.float32)
    truth = one_hot * jax.lax.stop_gradient(overlap)[..., None]
    number = jnp.maximum(found.sum(-1), 1)
    mean = lambda x, weights: mean_of_boxes(x, weights, number, batch)
    return {
      "class": mean(cross_entropy(logits, truth).sum(-1), found),
      "iou": mean(1 - overlap**2, found),
      "objectness": mean(cross_entropy(objectness, found), wanted.counts),
    }


def class_cost(logits: Array, objectness: Array, label: Array) -> Array:
  """What it costs that a place finds a box of a class, (l, n).

  The sum of the cross entropies of all classes, whose probability is the root
  of its own and the objectness's.

  Args:
    logits: (l, k).
    objectness: (l,) logits.
    label: (n,), the boxes' classes.
  """
  log = (
    jax.nn.log_sigmoid(logits) + jax.nn.log_sigmoid(objectness)[:, None]
  ) / 2
  there = jnp.maximum(log, _LEAST)
  absent = jnp.maximum(jnp.log1p(-jnp.exp(log)), _LEAST)
  change = jnp.take(absent - there, label, axis=1, mode="clip")
  return change - absent.sum(-1, keepdims=True)


def cross_entropy(logits: Array, truth: Array) -> Array:
  """Elementwise, of logits and of truth in [0, 1], of one shape."""
  return jax.nn.softplus(logits) - logits * truth
