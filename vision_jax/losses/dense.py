"""Losses of dense detectors: every place or anchor of a pyramid predicts.

A model's outputs have, of each level, `logits` (b, l, k), `boxes` (b, l, 4)
xyxy in pixels of the image it saw, and `anchors` (l, 4); see `FCOS` and
`RetinaNet`. Boxes with `crowd` (b, n) are regions of many objects: what lies in
one and finds no box learns nothing of classes. Criteria of other detectors are
beside this file: `sim_ota.py`.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array, Batch, Mean
from vision_jax.losses.dense_assignment import Wanted, assigned
from vision_jax.losses.detection import SigmoidFocal
from vision_jax.ops.assigners import by_centre, by_overlap
from vision_jax.ops.box_coders import Distances, Offsets
from vision_jax.ops.boxes import generalized_iou

INFINITY = float("inf")
Assign = Callable[..., Array]


@dataclasses.dataclass(frozen=True)
class PointCriterion:
  """FCOS's loss, as torchvision has it.

  Terms: `class`, focal, and of places that find a box `giou` and `centre`, the
  cross entropy of the centreness, whose truth is the product's root of the
  ratios of opposite distances. All are divided by the places that find one.

  Differs from torchvision: an image without such a place counts as one in the
  classes' mean, so that the count is a sum over images; of boxes around a place
  the smallest is found whatever the boxes' areas are (there, in steps of eight
  square pixels, by the precision of 1e8).

  Attributes:
    weights: term -> weight in the sum.
    radius: how far from its box's centre a place may be, in strides.
    reach: distances that a level is for, in its strides: from half of it to all
      of it; the first level begins at 0, the last has no end.
    classify: loss of the classes.
  """

  weights: Mapping[str, float] = dataclasses.field(
    default_factory=lambda: {"class": 1.0, "giou": 1.0, "centre": 1.0}
  )
  radius: float = 1.5
  reach: float = 8.0
  classify: SigmoidFocal = dataclasses.field(default_factory=SigmoidFocal)
  background = False

  def __call__(
    self, outputs: Mapping[str, Any], batch: Batch
  ) -> dict[str, Mean]:
    """Returns the terms of a model's outputs."""
    anchors = jnp.concatenate(outputs["anchors"])
    ranges = self._ranges(outputs["anchors"])
    assign = lambda boxes, real: by_centre(
      anchors, ranges, boxes, real, radius=self.radius
    )
    wanted = wanted_of(outputs, batch, assign)
    found, mask = wanted.found, batch["mask"][:, None]
    boxes, centre = (joined(outputs[name]) for name in ("boxes", "centre"))
    code = Distances().encode(wanted.boxes, anchors)
    truth = jnp.where(found, _centreness(code), 0.5)
    terms = {
      "giou": 1 - generalized_iou(boxes, wanted.boxes),
      "centre": jax.nn.softplus(centre) - centre * truth,
    }
    values, _ = self.classify.loss(joined(outputs["logits"]), wanted.label)
    number = jnp.maximum(found.sum(-1), 1) * batch["mask"]
    return {
      "class": Mean(_total(values, wanted.counts * mask), number.sum()),
      **{name: Mean.of(x, found * mask) for name, x in terms.items()},
    }

  def _ranges(self, levels: Sequence[Array]) -> Array:
    """The distances (l, 2) that each place is for."""
    found = []
    for i, anchors in enumerate(levels):
      most = self.reach * (anchors[0, 2] - anchors[0, 0])
      low = most / 2 if i else 0.0
      high = most if i + 1 < len(levels) else INFINITY
      pair = jnp.stack([jnp.asarray(low), jnp.asarray(high)])
      found.append(jnp.broadcast_to(pair, (len(anchors), 2)))
    return jnp.concatenate(found)


@dataclasses.dataclass(frozen=True)
class AnchorCriterion:
  """RetinaNet's loss, as torchvision has it.

  Terms: `class`, focal, and `l1` of the offsets of anchors that find a box. An
  image's are divided by the anchors that find one, at least by one, and the
  mean is over images. https://arxiv.org/abs/1708.02002.

  Attributes:
    weights: term -> weight in the sum.
    high, low: IoU from which an anchor finds a box, or is neither.
    classify: loss of the classes.
  """

  weights: Mapping[str, float] = dataclasses.field(
    default_factory=lambda: {"class": 1.0, "l1": 1.0}
  )
  high: float = 0.5
  low: float = 0.4
  classify: SigmoidFocal = dataclasses.field(default_factory=SigmoidFocal)
  background = False

  def __call__(
    self, outputs: Mapping[str, Any], batch: Batch
  ) -> dict[str, Mean]:
    """Returns the terms of a model's outputs, `offsets` (b, l, 4) too."""
    anchors = jnp.concatenate(outputs["anchors"])
    assign = lambda boxes, real: by_overlap(
      anchors, boxes, real, high=self.high, low=self.low
    )
    wanted = wanted_of(outputs, batch, assign)
    found = wanted.found
    code = Offsets().encode(wanted.boxes, anchors)
    values, _ = self.classify.loss(joined(outputs["logits"]), wanted.label)
    away = jnp.abs(joined(outputs["offsets"]) - code).sum(-1)
    number = jnp.maximum(found.sum(-1, keepdims=True), 1)
    mean = lambda x, weights: Mean.of(
      jnp.where(weights > 0, x / number, 0).sum(-1), batch["mask"]
    )
    return {"class": mean(values, wanted.counts), "l1": mean(away, found)}


def wanted_of(
  outputs: Mapping[str, Any], batch: Batch, assign: Assign, *own: Array
) -> Wanted:
  """Returns what each anchor should find, without a gradient.

  Args:
    outputs: a model's.
    batch: as for `Detection`.
    assign: of one image (boxes (n, 4), real (n,), ...) -> as in `assigners`.
    *own: (b, ...) what it takes of an image besides.
  """
  k = outputs["logits"][0].shape[-1]
  anchors = jnp.concatenate(outputs["anchors"])
  return assigned(anchors, batch, k, lambda _, *given: assign(*given), *own)


def mean_of_boxes(
  values: Array, weights: Array, number: Array, batch: Batch
) -> Mean:
  """Returns the mean over boxes; an image without any counts as one box.

  Args:
    values: (b, l).
    weights: (b, l), 0 where a value does not count.
    number: (b,), what an image's sum is divided by, for as many boxes as it
      has.
    batch: as for `Detection`.
  """
  total = jnp.where(weights > 0, values, 0).sum(-1) / number
  share = jnp.maximum(batch["box_mask"].sum(-1), 1)
  return Mean.of(total, share * batch["mask"])


def _centreness(code: Array) -> Array:
  """How near a place is to its box's centre, in [0, 1], of codes (..., 4)."""
  opposite = code.reshape(*code.shape[:-1], 2, 2)  # left, top; right, bottom
  ratio = opposite.min(-2) / opposite.max(-2)
  return jnp.sqrt(jnp.prod(ratio, -1))


def joined(levels: Sequence[Array]) -> Array:
  """Returns all levels' values (b, l, ...)."""
  return jnp.concatenate(levels, 1)


def _total(values: Array, weights: Array) -> Array:
  return Mean.of(values, weights).total
