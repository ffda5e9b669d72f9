"""The loss of set prediction: boxes are matched with queries, then learned."""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array, Batch, Mean
from vision_jax.errors import UserError
from vision_jax.losses.detection import (
  BoxLoss,
  ClassLoss,
  Softmax,
  giou,
  l1,
  labels_of_queries,
  of_queries,
)
from vision_jax.ops.matching import match


@dataclasses.dataclass(frozen=True)
class SetCriterion:
  """DETR's loss, of every set of predictions that a model's outputs hold.

  Outputs are `logits` (i, b, q, k) and `boxes` (i, b, q, 4), cxcywh in [0, 1],
  of i decoder layers, and may have further sets `NAME_logits` (b, l, k) with
  `NAME_boxes` (b, l, 4), such as the encoder's tokens; logits of one class are
  of any object. Boxes with `crowd` (b, n) are regions of many objects: nothing
  is learned from them.

  Terms: `class` and those of `box`, of the last layer; `aux_...` added over
  the layers before it; `NAME_...` of a further set. Box terms are means over
  the boxes.

  Differs from the paper: the mean over the boxes does not divide by zero, and
  the count of a class's mean depends on each image alone.

  Attributes:
    classify: loss of the logits; has to fit the model's `background`.
    box: name -> loss of matched boxes.
    weights: term -> weight in the sum; a term without one is only logged.
    cost: term -> weight in matching; None for the same.
    shape: the key of what has a class, in outputs and batch.
  """

  classify: ClassLoss = dataclasses.field(default_factory=Softmax)
  box: Mapping[str, BoxLoss] = dataclasses.field(
    default_factory=lambda: {"l1": l1, "giou": giou}
  )
  weights: Mapping[str, float] = dataclasses.field(
    default_factory=lambda: {"class": 1.0, "l1": 5.0, "giou": 2.0}
  )
  cost: Mapping[str, float] | None = None
  shape: ClassVar[str] = "boxes"

  def __post_init__(self):
    known = ["class", *self.box]
    for name in ("weights", "cost"):
      given = getattr(self, name) or {}
      if unknown := sorted(given.keys() - {*known}):
        raise UserError(
          f"{name}: got {unknown[0]!r}; expected some of {', '.join(known)}."
        )

  @property
  def background(self) -> bool:
    """Whether the logits' last class is "no object"."""
    return self.classify.background

  def __call__(
    self, outputs: Mapping[str, Array], batch: Batch
  ) -> dict[str, Mean]:
    """Returns the terms of a model's outputs."""
    layers = self._terms(outputs["logits"], outputs[self.shape], batch)
    terms = {name: _part(m, slice(-1, None)) for name, m in layers.items()}
    aux = {name: _part(m, slice(None, -1)) for name, m in layers.items()}
    terms |= {"aux_" + name: mean for name, mean in aux.items()}
    for key in outputs:
      if key.endswith("_logits"):
        name = key.removesuffix("logits")
        logits, boxes = outputs[key], outputs[name + self.shape]
        more = self._terms(logits[None], boxes[None], batch)
        terms |= {name + k: _part(m, slice(None)) for k, m in more.items()}
    return terms

  def _terms(
    self, logits: Array, boxes: Array, batch: Batch
  ) -> dict[str, Mean]:
    """Returns the terms of i sets of predictions (i, b, q, ...).

    Totals are (i,); the count is the same for each.
    """
    i, b, q, _ = logits.shape
    # Images stay the major axis, which may be sharded.
    flat = lambda x: jnp.moveaxis(x, 0, 1).reshape(b * i, *x.shape[2:])
    again = lambda x: jnp.repeat(x, i, axis=0)
    total = lambda x, weight: jnp.sum(
      jnp.where(weight == 0, 0, x * weight).reshape(b, i, -1), (0, 2)
    )
    logits, boxes = flat(logits), flat(boxes)
    classes = logits.shape[2] - self.background
    label, truth = again(batch["label"]), batch[self.shape]
    label = label if classes > 1 else jnp.zeros_like(label)
    there, mask = _objects(batch), batch["mask"]
    real = there * mask[:, None]
    pairs = self._for_matching(boxes, truth, batch)
    query = self._match(logits, *pairs, label, again(real))
    own = jnp.maximum(query, 0).reshape(*query.shape, *[1] * (boxes.ndim - 2))
    found = jnp.take_along_axis(boxes, own, 1)
    found, truth = self._for_losses(found, truth, batch)
    wanted = labels_of_queries(query, label, q, classes)
    fits = [of_queries(query, x, q, 0.0) for x in self._fits(found, truth)]
    values, weight = self.classify.loss(logits, wanted, *fits)
    number = jnp.minimum(jnp.sum(there, -1), q)
    count = jnp.sum(self.classify.count(number, q) * mask)
    terms = {"class": Mean(total(values, weight * again(mask)[:, None]), count)}
    matched = jnp.where(query >= 0, again(real), 0)
    count = jnp.sum(jnp.minimum(jnp.sum(real, -1), q))
    return terms | {
      name: Mean(total(loss(found, truth), matched), count)
      for name, loss in self.box.items()
    }

  def _for_matching(
    self, boxes: Array, truth: Array, batch: Batch
  ) -> tuple[Array, Array]:
    """Returns what is compared of all pairs: of each set what `pairs` takes.

    Args:
      boxes: (b * i, q, ...) of the queries, in i sets.
      truth: (b, n, ...).
      batch: as the criterion takes it.
    """
    del batch
    return boxes, jnp.repeat(truth, len(boxes) // len(truth), axis=0)

  def _for_losses(
    self, found: Array, truth: Array, batch: Batch
  ) -> tuple[Array, Array]:
    """Returns the same of boxes that are matched, `found` (b * i, n, ...)."""
    return SetCriterion._for_matching(self, found, truth, batch)

  def pairs(self, boxes: Array, truth: Array) -> dict[str, Array]:
    """Returns each loss of every pair of boxes (b, q, 4) and truth (b, n, 4).

    They are (b, q, n).
    """
    each = boxes[:, :, None], truth[:, None]
    return {name: loss(*each) for name, loss in self.box.items()}

  def known_terms(
    self, logits: Array, boxes: Array, batch: Batch
  ) -> dict[str, Mean]:
    """Returns the terms of predictions that know which box they are of.

    Such as those of noised boxes, added up over the i layers; means over the
    boxes.

    Args:
      logits: (i, b, g, n, k), of g groups of the batch's n boxes.
      boxes: (i, b, g, n, 4).
      batch: with `boxes` (b, n, 4) and `label` (b, n).
    """
    i, b, g, n, _ = logits.shape
    label = jnp.broadcast_to(batch["label"][:, None], logits.shape[:-1])
    flat = lambda x: x.reshape(i * b * g, n, *x.shape[4:])
    fits = map(flat, self._fits(boxes, batch["boxes"][:, None]))
    values, _ = self.classify.loss(flat(logits), flat(label), *fits)
    real = (_objects(batch) * batch["mask"][:, None])[:, None]
    count = jnp.sum(real) * g
    total = lambda x: jnp.sum(jnp.where(real == 0, 0, x * real))
    terms = {"class": Mean(total(values.reshape(label.shape)), count)}
    truth = batch["boxes"][:, None]
    return terms | {
      name: Mean(total(loss(boxes, truth)), count)
      for name, loss in self.box.items()
    }

  def _fits(self, boxes: Array, truth: Array) -> tuple[Array, ...]:
    """How well boxes fit, where the loss of their classes is to know it."""
    if self.classify.quality is None:
      return ()
    return (jax.lax.stop_gradient(self.classify.quality(boxes, truth)),)

  def _match(self, logits, boxes, truth, label, real) -> Array:
    """Returns the query of each box, (b, n), -1 for none."""
    classes = self.classify.cost(logits)
    pairs = {
      "class": jnp.take_along_axis(classes, label[:, None, :], -1),
      **self.pairs(boxes, truth),
    }
    weights = self.weights if self.cost is None else self.cost
    return match(sum(w * pairs[name] for name, w in weights.items()), real)


def _part(mean: Mean, which: slice) -> Mean:
  """The sum over some of the sets, as a mean with their common count."""
  return Mean(jnp.sum(mean.total[which]), mean.count)


def _objects(batch: Batch) -> Array:
  """Which boxes (b, n) are there to be learned."""
  mask = batch["box_mask"]
  return jnp.where(batch["crowd"] > 0, 0, mask) if "crowd" in batch else mask
