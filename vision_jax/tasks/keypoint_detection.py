"""Keypoint detection: boxes with classes, and the keypoints in each."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp

from vision_jax.core.types import Array, Batch, Mean
from vision_jax.losses.instances import keypoint_loss
from vision_jax.losses.two_stage import TwoStageCriterion
from vision_jax.ops.boxes import canvas_scale, pixel_scale
from vision_jax.tasks.two_stage_detection import TwoStageDetection

WEIGHTS = {
  **{"objectness": 1.0, "proposal": 1.0, "class": 1.0, "box": 1.0},
  "keypoint": 1.0,
}


@dataclasses.dataclass(frozen=True)
class KeypointDetection(TwoStageDetection):
  """Keypoint R-CNN: what `TwoStageDetection` finds, each with its keypoints.

  A batch is as there, with `keypoints` (b, n, j, 3): x and y in [0, 1] of the
  image, and whether one is labelled, above 0.

  Differs from torchvision: a keypoint is the middle of the best of 56 x 56
  cells of its box, where there the map is enlarged to the box's pixels before.

  Attributes:
    criterion: with a weight for `keypoint`.
  """

  criterion: TwoStageCriterion = dataclasses.field(
    default_factory=lambda: TwoStageCriterion(WEIGHTS)
  )

  def of_objects(
    self, out: Mapping[str, Any], batch: Batch
  ) -> dict[str, Array]:
    """Returns `keypoints` (b, p, j, 3).

    They are x and y in pixels as `boxes` are, and the logit of the place.
    """
    logits, boxes = out["objects"], out["found"].boxes
    b, p, s, _, j = logits.shape
    flat = logits.reshape(b, p, s * s, j)
    place = jnp.argmax(flat, 2)
    row = place // s
    at = jnp.stack([place - row * s, row], -1).astype(jnp.float32) + 0.5
    low, high = jnp.split(boxes[:, :, None], 2, -1)
    scale = (pixel_scale(batch) / canvas_scale(batch))[:, None, None, :2]
    points = (low + at / s * (high - low)) * scale
    return {"keypoints": jnp.concatenate([points, flat.max(2)[..., None]], -1)}

  def more_terms(self, out: Mapping[str, Any], batch: Batch) -> dict[str, Mean]:
    """Returns the term of keypoints; a batch without them teaches none."""
    return {"keypoint": keypoint_loss(out["objects"], out["found"], batch)}
