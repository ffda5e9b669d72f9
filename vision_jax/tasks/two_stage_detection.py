"""Detection in two stages: Faster R-CNN and what is built on it."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp

from vision_jax.core.types import (
  Array,
  Batch,
  Mean,
  Nets,
  Objective,
  Terms,
)
from vision_jax.errors import UserError
from vision_jax.losses.two_stage import (
  CODES,
  Looked,
  TwoStageCriterion,
  taken,
)
from vision_jax.ops.boxes import canvas_scale, pixel_scale
from vision_jax.ops.suppression import hard, suppress
from vision_jax.tasks.detection import shown
from vision_jax.tasks.net import NET, OneNet

LEAST_SIDE = 1e-2  # pixels of a box


class TwoStageDetector(Protocol):
  """A module as `FasterRCNN`: (image, *, train, mask, choose, find, ...)."""

  num_classes: int
  init: Callable[..., Any]
  apply: Callable[..., Any]


class Found(NamedTuple):
  """Objects that are found, best first.

  Attributes:
    boxes: (b, p, 4) xyxy in pixels of the image that the model sees.
    score: (b, p) in [0, 1], 0 where there are no more.
    label: (b, p).
  """

  boxes: Array
  score: Array
  label: Array


@dataclasses.dataclass(frozen=True)
class TwoStageDetection(OneNet):
  """Boxes with classes for each image, of boxes that are proposed first.

  A batch is as for `Detection`. The values are Faster R-CNN's of torchvision.

  Attributes:
    model: the net that sees the images.
    criterion: loss of its outputs and the batch.
    least: score above which a box counts.
    overlap: IoU with a better box of its class above which one is dropped.
    detections: kept of an image, p, at most.
  """

  model: TwoStageDetector
  criterion: TwoStageCriterion = dataclasses.field(
    default_factory=TwoStageCriterion
  )
  least: float = 0.05
  overlap: float = 0.5
  detections: int = 100
  background = True

  def __post_init__(self):
    if not 0 <= self.least < 1:
      raise UserError(f"least: got {self.least}; expected a score below 1.")
    hard(self.overlap)  # which checks it

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
    canvas = canvas_scale(batch)[:, None]
    out = self.net.given(params, stats)(
      shown(batch),
      train=False,
      image_mask=batch.get("image_mask"),
      find=lambda out: self._best(out, canvas),
    )
    boxes, score, label = out["found"]
    there = (score > 0)[..., None]
    boxes = boxes / canvas * pixel_scale(batch)[:, None]
    boxes = jnp.where(there, boxes, 0)
    found = {"boxes": boxes, "score": score, "label": label}
    return found | self.of_objects(out, batch)

  def of_objects(
    self, out: Mapping[str, Any], batch: Batch
  ) -> dict[str, Array]:
    """Returns what else is predicted of objects found: nothing here.

    Args:
      out: the model's outputs, of the boxes `found`, in pixels of `image`.
      batch: as the task takes it.
    """
    del out, batch
    return {}

  def more_terms(self, out: Mapping[str, Any], batch: Batch) -> dict[str, Mean]:
    """Returns further terms of the loss: none here.

    Args:
      out: the model's outputs, whose `found` are the boxes that may be right.
      batch: as `truth` returns it.
    """
    del out, batch
    return {}

  def truth(self, batch: Batch) -> Batch:
    """Returns the batch with `boxes`, `label` and `box_mask`: as it is here."""
    return batch

  def _best(self, out: Mapping[str, Any], canvas: Array) -> Found:
    """Returns the best, in pixels of `image`."""
    regions = out["regions"]
    probs = jax.nn.softmax(out["logits"], -1)[..., :-1]
    b, s, k = probs.shape
    boxes = CODES.decode(out["codes"][:, :, :-1], regions.boxes[:, :, None])
    boxes = jnp.clip(boxes, 0, canvas[:, None])
    there = (boxes[..., 2:] - boxes[..., :2] >= LEAST_SIDE).all(-1)
    there &= (regions.score[..., None] > 0) & (probs > self.least)
    score = jnp.where(there, probs, 0).reshape(b, s * k)
    boxes = boxes.reshape(b, s * k, 4)
    label = jnp.tile(jnp.arange(k, dtype=jnp.int32), (b, s))
    place, score = suppress(
      *(boxes, score, label),
      count=self.detections,
      decay=hard(self.overlap),
    )
    real = score > 0
    boxes = jnp.where(real[..., None], taken(boxes, place), 0)
    return Found(boxes, score, jnp.where(real, taken(label, place), 0))

  def _loss(self, params, stats, batch, key, *, step, train) -> Terms:
    batch = self.truth(batch)
    draws = jax.random.split(key, 3)
    choose = self.criterion.choose(batch, self.model.num_classes, draws[0])
    outputs, stats = self.net.run(
      *(params, stats, shown(batch)),
      key=draws[1],
      train=train,
      mask=batch["mask"],
      image_mask=batch.get("image_mask"),
      choose=choose,
      find=self._positive,
    )
    terms = self.criterion(outputs, batch, draws[2])
    return terms | self.more_terms(outputs, batch), stats

  def _positive(self, out: Mapping[str, Any]) -> Looked:
    """Returns those of the regions that may find an object."""
    regions = out["regions"]
    most = self.criterion.regions.most(regions.boxes.shape[1])
    return regions.positive(most)
