"""Detection: boxes with classes, from a model and its criterion."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array, Batch, Mean, Nets, Objective, Terms
from vision_jax.errors import UserError
from vision_jax.losses.detection import SigmoidFocal, Softmax
from vision_jax.losses.set_criterion import SetCriterion
from vision_jax.ops.boxes import clip, cxcywh_to_xyxy, pixel_scale
from vision_jax.ops.noised_boxes import BoxNoise, Noised
from vision_jax.tasks.net import NET, OneNet

_DENOISED = "denoised_"  # prefix of terms


class Detector(Protocol):
  """A module (image, *, train, mask, image_mask) -> outputs, such as `Detr`.

  Attributes:
    background: whether the logits' last class is "no object".
    prefixes: prefixes of the criterion's terms, one for each set of predictions
      that the outputs hold: each has the terms' weights.
  """

  background: bool
  prefixes: tuple[str, ...]
  init: Callable[..., Any]
  apply: Callable[..., Any]


class Criterion(Protocol):
  """What detection minimises.

  Attributes:
    background: whether it takes the logits' last class for "no object".
    weights: term -> weight in the sum.
  """

  background: bool
  weights: Mapping[str, float]

  def __call__(
    self, outputs: Mapping[str, Array], batch: Batch
  ) -> dict[str, Mean]:
    """Returns the terms of a model's outputs, under all its prefixes."""


@dataclasses.dataclass(frozen=True)
class Detection(OneNet):
  """Boxes with classes for each image.

  A batch has `image` (b, h, w, c), `boxes` (b, n, 4) cxcywh in [0, 1], `label`
  (b, n) and `box_mask` (b, n), 0 for padding; where images are padded also
  `image_mask` (b, h, w), and boxes are fractions of what is not padding. The
  model sees zeros there, in training, evaluation and prediction alike.

  Attributes:
    model: the net that sees the images.
    criterion: loss of its outputs and the batch; None is `SetCriterion`, with a
      softmax where the model has a background and sigmoids where it has none.
    detections: kept of an image in `predict`, p, at most.
    noise: of boxes that the model takes beside its queries in training, to
      learn what they were, by a `SetCriterion`; None for none. Terms
      `denoised_...`, of all layers.
  """

  model: Detector
  criterion: Criterion | None = None
  detections: int = 100
  noise: BoxNoise | None = None

  def __post_init__(self):
    takes = getattr(self.model, "denoise", False)
    if takes != (self.noise is not None):
      raise UserError(
        f"noise: got {self.noise} for a model with denoise={takes}; expected "
        "such as BoxNoise() with denoise=True, and None without."
      )
    if self._criterion.background != self.background:
      raise UserError(
        f"criterion: got one with background={self._criterion.background} for "
        f"a model with background={self.background}; expected the same, such "
        "as SetCriterion(Softmax()) with, SetCriterion(SigmoidFocal()) without."
      )

  @property
  def background(self) -> bool:
    """Whether the logits' last class is "no object"."""
    return self.model.background

  @property
  def objectives(self) -> tuple[Objective, ...]:
    """The weighted sum of all terms, to be descended by the one net."""
    weights = {
      prefix + name: weight
      for prefix in (*self.model.prefixes, *[_DENOISED] * bool(self.noise))
      for name, weight in self._criterion.weights.items()
    }
    return (Objective(NET, self._loss, weights),)

  def predict(
    self, params: Nets, stats: Nets, batch: Batch, key: Array
  ) -> dict[str, Array]:
    """Returns the most certain detections of each image, best first.

    `boxes` (b, p, 4) xyxy in pixels of the image as it was, whose height and
    width are `size` (b, 2) where the batch has it, else of the image as it is
    without padding; `score` (b, p) in [0, 1]; `label` (b, p).
    """
    out = self.net.given(params, stats)(
      shown(batch), train=False, image_mask=batch.get("image_mask")
    )
    score, label, query = self._best(out["logits"][-1])
    boxes = jnp.take_along_axis(out["boxes"][-1], query[..., None], 1)
    boxes = clip(cxcywh_to_xyxy(boxes)) * pixel_scale(batch)[:, None]
    return {"boxes": boxes, "score": score, "label": label}

  def _best(self, logits: Array) -> tuple[Array, Array, Array]:
    """Returns score, label and query (b, p) of the most certain detections."""
    if self.background:
      probs = jax.nn.softmax(logits, -1)[..., :-1]
    else:
      probs = jax.nn.sigmoid(logits)
    b, q, k = probs.shape
    if self.background:  # one class a query
      label = jnp.argmax(probs, -1).astype(jnp.int32)
      count = min(self.detections, q)
      score, query = jax.lax.top_k(jnp.max(probs, -1), count)
      return score, jnp.take_along_axis(label, query, 1), query
    count = min(self.detections, q * k)
    score, place = jax.lax.top_k(probs.reshape(b, q * k), count)
    query = jax.lax.div(place, jnp.full_like(place, k))  # both are >= 0
    return score, place - query * k, query

  def _loss(self, params, stats, batch, key, *, step, train) -> Terms:
    dropout, key = jax.random.split(key) if self.noise else (key, key)
    noised = None
    if self.noise and train:
      noised = self.noise(batch, key, self.model.num_classes)
    options = {} if noised is None else {"noised": noised}
    outputs, stats = self.net.run(
      *(params, stats, shown(batch)),
      key=dropout,
      train=train,
      mask=batch["mask"],
      image_mask=batch.get("image_mask"),
      **options,
    )
    if not self.noise:
      return self._criterion(outputs, batch), stats
    denoised, outputs = _parted(outputs, noised, batch)
    known = self._criterion.known_terms(*denoised, batch)
    known = {_DENOISED + name: mean for name, mean in known.items()}
    return self._criterion(outputs, batch) | known, stats

  @property
  def _criterion(self) -> Criterion:
    if self.criterion is not None:
      return self.criterion
    return SetCriterion(Softmax() if self.background else SigmoidFocal())


def _parted(
  outputs: Mapping[str, Array], noised: Noised | None, batch: Batch
) -> tuple[tuple[Array, Array], dict[str, Array]]:
  """Returns logits and boxes of noised boxes, (i, b, g, n, ...); and the rest.

  Without any, there are 0 groups.
  """
  g = 0 if noised is None else noised.boxes.shape[1]
  n = batch["boxes"].shape[1]
  names = ("logits", "boxes")
  group = lambda x: x[:, :, : g * n].reshape(*x.shape[:2], g, n, x.shape[-1])
  denoised = tuple(group(outputs[name]) for name in names)
  return denoised, {**outputs, **{k: outputs[k][:, :, g * n :] for k in names}}


def shown(batch: Batch) -> Array:
  """The images, 0 where they are padding, whatever has been done to them."""
  image = batch["image"]
  if "image_mask" not in batch:
    return image
  return jnp.where(batch["image_mask"][..., None] > 0, image, 0)
