"""Average precision of keypoints by object keypoint similarity."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from vision_jax.core.checks import check_class_names
from vision_jax.core.types import Array, Batch
from vision_jax.data.sources.people import KEYPOINTS
from vision_jax.errors import UserError
from vision_jax.metrics.coco import (
  KEYPOINT_METRICS,
  PERSON_SIGMAS,
  coco_ap,
)
from vision_jax.metrics.detection import AveragePrecision
from vision_jax.ops.boxes import pixel_scale

PREFIX = "keypoint_"


def sigmas_of(
  names: Sequence[str], given: Sequence[float] = ()
) -> tuple[float, ...]:
  """Returns how unsure keypoints are: as given, or COCO's of a person's 17.

  Raises:
    UserError: unless there is one for each, or for () they are a person's.
  """
  if not given and tuple(names) == KEYPOINTS.names:
    return PERSON_SIGMAS
  if len(given) != len(names):
    raise UserError(
      f"--config.sigmas: got {len(given)} numbers for {len(names)} keypoints; "
      "expected one for each, the part of an object's size that its place is "
      "unsure by, such as 0.05; () is for a person's 17 as COCO names them."
    )
  return tuple(given)


@dataclasses.dataclass(frozen=True)
class KeypointAveragePrecision:
  """COCO's metrics of keypoints, as `keypoint_ap`, `keypoint_ap50` and so on.

  Two objects are alike by the mean of exp(-d² / (2 s² (2 sigma)²)) over the
  keypoints that are labelled, with the distance d and the object's area s² in
  pixels: https://cocodataset.org/#keypoints-eval. Objects without one need not
  be found.

  Measures what `KeypointDetection.predict` gives: `boxes` (b, p, 4) xyxy and
  `keypoints` (b, p, j, 3) in pixels, `score` and `label` (b, p). The truth
  comes with the batch: `boxes` (b, n, 4), `keypoints` (b, n, j, 3) x and y in
  [0, 1] and whether one is labelled, above 0, `label`, `box_mask`, and where a
  source has them `crowd`, `ignore` and `area` (b, n); without `area` it is the
  box's.

  Attributes:
    class_names: k names.
    per_class: whether each class's metrics are returned.
    sigmas: of each keypoint, j; COCO's of a person.
  """

  class_names: Sequence[str]
  per_class: bool = False
  sigmas: Sequence[float] = PERSON_SIGMAS
  state: Any = ()

  def __post_init__(self):
    check_class_names("class_names", self.class_names)
    if not len(self.sigmas) or min(self.sigmas) <= 0:
      raise UserError(
        f"sigmas: got {tuple(self.sigmas)}; expected a number above 0 for each "
        "keypoint."
      )

  @property
  def _boxes(self) -> AveragePrecision:
    """The metric of the boxes that the keypoints are of."""
    return AveragePrecision(self.class_names, per_class=self.per_class)

  @property
  def names(self) -> tuple[str, ...]:
    """Names of the metrics that `result` may give."""
    names = self.class_names if self.per_class else ()
    kinds = ("ap_class", "ap50_class")
    classes = [f"{kind}/{name}" for kind in kinds for name in names]
    return tuple(PREFIX + name for name in (*KEYPOINT_METRICS, *classes))

  def measure(
    self, state: Any, out: Mapping[str, Array], batch: Batch
  ) -> tuple[dict[str, Array], dict[str, Array]]:
    """Returns no sums, and boxes and keypoints of both sides as rows."""
    sums, rows = self._boxes.measure(state, out, batch)
    places, labelled = jnp.split(batch["keypoints"], [2], -1)
    scale = pixel_scale(batch)[:, None, None, :2]
    true = jnp.concatenate([places * scale, labelled], -1)
    return sums, rows | {
      "found_keypoints": out["keypoints"],
      "true_keypoints": true,
    }

  def result(
    self, sums: Mapping[str, Any], rows: Mapping[str, np.ndarray]
  ) -> dict[str, float]:
    """Returns the metrics; -1 where there is no truth to find."""
    del sums
    real = {"true": rows["true_mask"] > 0, "found": rows["found_score"] != 0}
    tables = zip(real, self._boxes.tables(rows), strict=True)
    truth, found = (
      dataclasses.replace(
        table, keypoints=rows[f"{side}_keypoints"][real[side]]
      )
      for side, table in tables
    )
    metrics = coco_ap(
      truth,
      found,
      np.asarray(rows["index"]).tolist(),
      self.class_names,
      per_class=self.per_class,
      sigmas=self.sigmas,
    )
    return {PREFIX + name: x for name, x in metrics.items()}
