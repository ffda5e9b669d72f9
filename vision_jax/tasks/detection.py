"""Detection as the prediction of a set of boxes (DETR)."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp

from vision_jax.core.types import Array, Batch, Mean, Nets, Objective
from vision_jax.losses import detection as losses
from vision_jax.ops.boxes import clip, cxcywh_to_xyxy, pixel_scale
from vision_jax.ops.matching import match

NET = "model"


@dataclasses.dataclass(frozen=True)
class Detection:
  """Boxes with classes for each image.

  A batch has `image` (b, h, w, c), `boxes` (b, n, 4) cxcywh in [0, 1], `label`
  (b, n) and `box_mask` (b, n), 0 for padding; where images are padded also
  `image_mask` (b, h, w), and boxes are fractions of what is not padding. The
  model sees zeros there, in training, evaluation and prediction alike. Boxes
  with `crowd` (b, n) are regions of many objects: nothing is learned from them.

  Terms: `class`, `l1` and `giou` of the last decoder layer, `aux_...` added
  over the layers before it, and `token_...` of the encoder's tokens where
  queries start from them. Box terms are means over the boxes. `class` is a
  mean over queries, weighted by their targets; or the focal loss added up and
  divided by the number of boxes, at least one an image.

  Differs from the paper: the last but this; it does not divide by zero, and
  counts in a way that depends on each image alone.

  Attributes:
    model: (image, *, train, mask, image_mask) -> outputs, such as `Detr`. Its
      `background` says whether the logits' last class is "no object".
    no_object_weight: of "no object" in the weighted mean over queries.
    class_weight, l1_weight, giou_weight: of the terms, in matching too.
    detections: kept of an image in `predict`, p, at most.
  """

  model: nn.Module
  no_object_weight: float = 0.1
  class_weight: float = 1.0
  l1_weight: float = 5.0
  giou_weight: float = 2.0
  detections: int = 100

  @property
  def background(self) -> bool:
    """Whether the logits' last class is "no object"."""
    return self.model.background

  @property
  def objectives(self) -> tuple[Objective, ...]:
    """The weighted sum of all terms, to be descended by the one net."""
    base = {
      "class": self.class_weight,
      "l1": self.l1_weight,
      "giou": self.giou_weight,
    }
    prefixes = ["", "aux_"]
    if getattr(self.model, "queries", "") == "encoder":
      prefixes.append("token_")
    weights = {p + name: w for p in prefixes for name, w in base.items()}
    return (Objective(NET, self._loss, weights),)

  def init(self, key: Array, batch: Batch) -> tuple[Nets, Nets]:
    """Returns the model's parameters and BatchNorm statistics."""
    variables = dict(self.model.init(key, batch["image"], train=False))
    return {NET: variables.pop("params")}, {NET: variables}

  def predict(
    self, params: Nets, stats: Nets, batch: Batch, key: Array
  ) -> dict[str, Array]:
    """Returns the most certain detections of each image, best first.

    `boxes` (b, p, 4) xyxy in pixels of the image as it was, whose height and
    width are `size` (b, 2) where the batch has it, else of the image as it is
    without padding; `score` (b, p) in [0, 1]; `label` (b, p).
    """
    del key
    out = self.model.apply(
      {"params": params[NET], **stats[NET]},
      _shown(batch),
      train=False,
      image_mask=batch.get("image_mask"),
    )
    score, label, query = self._best(out["logits"][-1])
    boxes = jnp.take_along_axis(out["boxes"][-1], query[..., None], 1)
    boxes = clip(cxcywh_to_xyxy(boxes)) * pixel_scale(batch)[:, None]
    return {"boxes": boxes, "score": score, "label": label}

  def _best(self, logits: Array) -> tuple[Array, Array, Array]:
    """Returns score, label and query (b, p) of the most certain detections."""
    if self.background:
      chances = jax.nn.softmax(logits, -1)[..., :-1]
    else:
      chances = jax.nn.sigmoid(logits)
    b, q, k = chances.shape
    if self.background:  # one class a query
      label = jnp.argmax(chances, -1).astype(jnp.int32)
      count = min(self.detections, q)
      score, query = jax.lax.top_k(jnp.max(chances, -1), count)
      return score, jnp.take_along_axis(label, query, 1), query
    count = min(self.detections, q * k)
    score, place = jax.lax.top_k(chances.reshape(b, q * k), count)
    return score, place % k, place // k

  def _loss(
    self,
    params: Nets,
    stats: Nets,
    batch: Batch,
    key: Array,
    *,
    step: Array,
    train: bool,
  ) -> tuple[dict[str, Mean], Nets]:
    del step
    out, new = self.model.apply(
      {"params": params[NET], **stats[NET]},
      _shown(batch),
      train=train,
      mask=batch["mask"],
      image_mask=batch.get("image_mask"),
      mutable=list(stats[NET]) if train else [],
      rngs={"dropout": key} if train else {},
    )
    layers = self._terms(out["logits"], out["boxes"], batch)
    terms = {name: _part(m, slice(-1, None)) for name, m in layers.items()}
    terms |= {
      "aux_" + name: _part(m, slice(None, -1)) for name, m in layers.items()
    }
    if "token_logits" in out:
      logits, boxes = out["token_logits"][None], out["token_boxes"][None]
      tokens = self._terms(logits, boxes, batch)
      terms |= {
        "token_" + name: _part(m, slice(None)) for name, m in tokens.items()
      }
    return terms, {NET: new} if train else stats

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
    logits, boxes = flat(logits), flat(boxes)
    label, target = again(batch["label"]), again(batch["boxes"])
    real = _objects(batch) * batch["mask"][:, None]
    query = self._match(logits, boxes, label, target, again(real))
    values, weight, count = self._class_loss(logits, label, query, batch)
    total = lambda x: jnp.sum(x.reshape(b, i, -1), (0, 2))
    shown = again(batch["mask"])[:, None]
    matched = jnp.where(query >= 0, again(real), 0)
    distance, overlap = losses.box_losses(boxes, target, query)
    number = jnp.sum(jnp.minimum(jnp.sum(real, -1), q))
    keep = lambda x, w: jnp.where(w == 0, 0, x * w)
    return {
      "class": Mean(total(keep(values, weight * shown)), count),
      "l1": Mean(total(keep(distance, matched)), number),
      "giou": Mean(total(keep(overlap, matched)), number),
    }

  def _match(self, logits, boxes, label, target, real) -> Array:
    cost = losses.matching_cost(
      *(logits, boxes, label, target),
      background=self.background,
      weights=(self.class_weight, self.l1_weight, self.giou_weight),
    )
    return match(cost, real)

  def _class_loss(self, logits, label, query, batch):
    """Returns values and weights (b, q), and the count of the mean."""
    q, k = logits.shape[1], logits.shape[2] - self.background
    target = losses.class_targets(query, label, q, k)
    boxes = jnp.minimum(jnp.sum(_objects(batch), -1), q)
    if not self.background:
      values = losses.set_focal(logits, target)
      count = jnp.sum(jnp.maximum(boxes, 1) * batch["mask"])
      return values, jnp.ones_like(values), count
    values = losses.set_cross_entropy(logits, target)
    weight = jnp.where(target == k, self.no_object_weight, 1.0)
    count = boxes + self.no_object_weight * (q - boxes)
    return values, weight, jnp.sum(count * batch["mask"])


def _shown(batch: Batch) -> Array:
  """The images, 0 where they are padding, whatever has been done to them."""
  image = batch["image"]
  if "image_mask" not in batch:
    return image
  return jnp.where(batch["image_mask"][..., None] > 0, image, 0)


def _part(mean: Mean, which: slice) -> Mean:
  """The sum over some of the sets, as a mean with their common count."""
  return Mean(jnp.sum(mean.total[which]), mean.count)


def _objects(batch: Batch) -> Array:
  """Which boxes (b, n) are there to be learned."""
  mask = batch["box_mask"]
  return jnp.where(batch["crowd"] > 0, 0, mask) if "crowd" in batch else mask
