"""Instance segmentation: boxes with classes, and the mask in each."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array, Batch, Mean
from vision_jax.losses.instances import mask_loss
from vision_jax.losses.two_stage import TwoStageCriterion
from vision_jax.ops.boxes import canvas_scale, xyxy_to_cxcywh
from vision_jax.ops.object_masks import boxes_of, numbered, pasted
from vision_jax.tasks.two_stage_detection import TwoStageDetection

WEIGHTS = {
  **{"objectness": 1.0, "proposal": 1.0, "class": 1.0, "box": 1.0},
  "mask": 1.0,
}


@dataclasses.dataclass(frozen=True)
class InstanceSegmentation(TwoStageDetection):
  """Mask R-CNN: what `TwoStageDetection` finds, each with its mask.

  A batch is as there, with `masks` (b, n, h, w), 1 where an object is. Or it
  has `instances` (b, h, w) in place of all these: 0 is background and each
  object, of the one class there is then, has a number of its own below 2^16.
  The term `mask` is of the loss, and of such maps the term `dropped` is logged:
  the objects of an image beyond `max_objects`.

  Attributes:
    criterion: with a weight for `mask`.
    max_objects: of an image whose batch has `instances`.
    sure: score from which on a detection is in the map that is predicted.
  """

  criterion: TwoStageCriterion = dataclasses.field(
    default_factory=lambda: TwoStageCriterion(WEIGHTS)
  )
  max_objects: int = 100
  sure: float = 0.5

  def of_objects(
    self, out: Mapping[str, Any], batch: Batch
  ) -> dict[str, Array]:
    """Returns `masks` and `instances`.

    `masks` (b, p, 28, 28) in [0, 1] are in the boxes, from a half on the
    object. `instances` (b, h, w) int32 is the image as the model sees it, 0 for
    background, and i + 1 where the detection at place i is the best of those
    that have a pixel and are `sure`.
    """
    found, size = out["found"], batch["image"].shape[1:3]
    label = found.label[:, :, None, None, None]
    own = jnp.take_along_axis(out["objects"], label, -1)[..., 0]
    masks, sure = jax.nn.sigmoid(own), found.score >= self.sure
    boxes = jnp.where(sure[..., None], found.boxes, 0)
    return {"masks": masks, "instances": pasted(masks, boxes, size)}

  def more_terms(self, out: Mapping[str, Any], batch: Batch) -> dict[str, Mean]:
    """Returns the term of masks, and how many objects were dropped.

    A batch without masks teaches none.
    """
    terms = {"mask": mask_loss(out["objects"], out["found"], batch)}
    if "objects" in batch:
      dropped = jnp.maximum(batch["objects"] - self.max_objects, 0)
      terms["dropped"] = Mean.of(dropped.astype(jnp.float32), batch["mask"])
    return terms

  def truth(self, batch: Batch) -> Batch:
    """Returns the batch with the boxes of the objects that a map numbers."""
    if "masks" in batch or "instances" not in batch:
      return batch
    count = self.max_objects
    instances, objects = numbered(batch["instances"], count)
    boxes, there = boxes_of(instances, count)
    boxes = xyxy_to_cxcywh(boxes) / canvas_scale(batch)[:, None]
    return batch | {
      "instances": instances,
      "objects": objects,
      "boxes": boxes,
      "label": jnp.zeros(there.shape, jnp.int32),
      "box_mask": there.astype(jnp.float32),
    }
