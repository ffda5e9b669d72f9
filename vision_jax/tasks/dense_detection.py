"""Detection by every place of a pyramid: FCOS, RetinaNet, YOLOX, SSD."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array, Batch, Nets, Objective, Terms
from vision_jax.errors import UserError
from vision_jax.ops.boxes import canvas_scale, pixel_scale
from vision_jax.ops.suppression import Decay, hard, suppress
from vision_jax.ops.views import Views
from vision_jax.tasks.detection import Criterion, shown
from vision_jax.tasks.net import NET, OneNet


class DenseDetector(Protocol):
  """A module (image, *, train, mask, image_mask) -> outputs, such as `FCOS`.

  Of each level the outputs have `logits` (b, l, k), `boxes` (b, l, 4) xyxy in
  pixels of the image that it sees, `anchors` (l, 4), and where it has them
  logits of how far to trust a place: `centre` (b, l), of which and the class
  the score is the geometric mean, or `objectness` (b, l), of which it is the
  product.

  Attributes:
    background: whether the logits' last class, of k + 1, is "no object".
  """

  background: bool

  init: Callable[..., Any]
  apply: Callable[..., Any]


@dataclasses.dataclass(frozen=True)
class DenseDetection(OneNet):
  """Boxes with classes for each image, of which overlapping ones are dropped.

  A batch is as for `Detection`. The values are FCOS's of torchvision.

  Attributes:
    model: the net that sees the images.
    criterion: loss of its outputs and the batch: `PointCriterion` for FCOS,
      `AnchorCriterion` for RetinaNet, `SimOTACriterion` for YOLOX,
      `GridCriterion` for YOLO, `MultiBoxCriterion` for SSD.
    least: score above which a place counts.
    candidates: of each level, the best, before the overlapping are dropped.
    overlap: IoU with a better box of its class above which one is dropped.
    decay: what happens to it in place of that, such as `gaussian()`.
    detections: kept of an image, p, at most.
    views: how often images are seen in prediction: of the boxes of all views,
      put back, the overlapping are dropped. None sees them as they are.
  """

  model: DenseDetector
  criterion: Criterion
  least: float = 0.2
  candidates: int = 1000
  overlap: float = 0.6
  decay: Decay | None = None
  detections: int = 100
  views: Views | None = None

  def __post_init__(self):
    if not 0 <= self.least < 1:
      raise UserError(f"least: got {self.least}; expected a score below 1.")
    hard(self.overlap)  # which checks it
    if self.criterion.background != self.background:
      raise UserError(
        f"criterion: got one with background={self.criterion.background} for "
        f"a model with background={self.background}; expected the same: "
        "MultiBoxCriterion for SSD, others for models without."
      )

  @property
  def background(self) -> bool:
    """Whether the logits' last class is "no object"."""
    return self.model.background

  @property
  def objectives(self) -> tuple[Objective, ...]:
    """The weighted sum of all terms, to be descended by the one net."""
    return (Objective(NET, self._loss, self.criterion.weights),)

  def predict(
    self, params: Nets, stats: Nets, batch: Batch, key: Array
  ) -> dict[str, Array]:
    """Returns the most certain detections of each image, best first.

    `boxes` (b, p, 4) xyxy in pixels of the image as it was, whose height and
    width are `size` (b, 2) where the batch has it, else of the image as it is
    without padding; `score` (b, p) in [0, 1], 0 where there are no more; and
    `label` (b, p).
    """
    del key
    net, image = self.net.given(params, stats), shown(batch)
    views = []
    for seen in (self.views or Views()).of(image):
      boxes, *rest = self._candidates(net(seen.image, train=False))
      views.append((seen.boxes_of(image, boxes), *rest))
    boxes, score, label = _joined(views)
    canvas = canvas_scale(batch)[:, None]
    boxes = jnp.clip(boxes, 0, canvas)
    decay = self.decay or hard(self.overlap)
    count = self.detections
    place, score = suppress(boxes, score, label, count=count, decay=decay)
    boxes = jnp.take_along_axis(boxes, place[..., None], 1)
    boxes = boxes / canvas * pixel_scale(batch)[:, None]
    there = score > 0
    return {
      "boxes": jnp.where(there[..., None], boxes, 0),
      "score": score,
      "label": jnp.where(there, jnp.take_along_axis(label, place, 1), 0),
    }

  def _candidates(self, out: Mapping[str, Any]) -> tuple[Array, ...]:
    """Returns boxes, scores and labels (b, c, ...) of the best places."""
    levels = []
    for i, logits in enumerate(out["logits"]):
      probs = self._probs(logits)
      if "objectness" in out:
        probs *= jax.nn.sigmoid(out["objectness"][i])[..., None]
      if "centre" in out:
        centre = jax.nn.sigmoid(out["centre"][i])
        probs = jnp.sqrt(probs * centre[..., None])
      levels.append(self._best(probs, out["boxes"][i]))
    return _joined(levels)

  def _probs(self, logits: Array) -> Array:
    """Each class's, (b, l, k)."""
    if self.background:
      return jax.nn.softmax(logits, -1)[..., :-1]
    return jax.nn.sigmoid(logits)

  def _best(self, score: Array, boxes: Array) -> tuple[Array, Array, Array]:
    """Returns the best of a level's, from score (b, l, k), boxes (b, l, 4)."""
    b, _, k = score.shape
    score = jnp.where(score > self.least, score, 0).reshape(b, -1)
    count = min(self.candidates, score.shape[1])
    score, place = jax.lax.top_k(score, count)
    row = jax.lax.div(place, jnp.full_like(place, k))  # both are >= 0
    boxes = jnp.take_along_axis(boxes, row[..., None], 1)
    return boxes, score, place - row * k

  def _loss(self, params, stats, batch, key, *, step, train) -> Terms:
    outputs, stats = self.net.run(
      *(params, stats, shown(batch)),
      key=key,
      train=train,
      mask=batch["mask"],
      image_mask=batch.get("image_mask"),
    )
    return self.criterion(outputs, batch), stats


def _joined(parts: Sequence[tuple[Array, ...]]) -> tuple[Array, ...]:
  """Boxes, scores and labels (b, c, ...) of all parts."""
  return tuple(jnp.concatenate(x, 1) for x in zip(*parts, strict=True))
