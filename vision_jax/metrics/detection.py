"""Average precision of a detector over a data set."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from vision_jax.core.checks import check_class_names
from vision_jax.core.types import Array, Batch
from vision_jax.metrics.coco import METRICS, BoxTable, coco_ap
from vision_jax.metrics.voc import voc_ap
from vision_jax.ops.boxes import cxcywh_to_xyxy, pixel_scale, xyxy_to_xywh


@dataclasses.dataclass(frozen=True)
class AveragePrecision:
  """COCO's metrics (`ap`, `ap50`, ...) and, if wanted, Pascal VOC's.

  Measures what `Detection.predict` gives: `boxes` (b, p, 4) xyxy in pixels,
  `score` and `label` (b, p). The truth comes with the batch: `boxes` (b, n, 4),
  `label`, `box_mask`, and where a source has them `crowd`, `ignore` and `area`
  (b, n). Or from `annotations`, which have no limit to the boxes of an image.

  Attributes:
    class_names: k names.
    per_class: whether each class's metrics are returned.
    voc: whether VOC's average precision is returned too.
    eleven_points: whether that is of VOC 2007.
    annotations: () -> the truth, its `image` the position in the data set;
      called once a result.
  """

  class_names: Sequence[str]
  per_class: bool = True
  voc: bool = False
  eleven_points: bool = False
  annotations: Callable[[], BoxTable] | None = None
  state: Any = ()

  def __post_init__(self):
    check_class_names("class_names", self.class_names)

  @property
  def names(self) -> tuple[str, ...]:
    """Names of the metrics that `result` may give."""
    voc = ("voc_ap",) if self.voc else ()
    kinds = ("ap_class", "ap50_class", *(f"{name}_class" for name in voc))
    names = self.class_names if self.per_class else ()
    classes = [f"{kind}/{name}" for kind in kinds for name in names]
    return (*METRICS, *voc, *classes)

  def measure(
    self, state: Any, out: Mapping[str, Array], batch: Batch
  ) -> tuple[dict[str, Array], dict[str, Array]]:
    """Returns no sums, and the boxes of both sides as rows."""
    del state
    rows = {
      "found_boxes": xyxy_to_xywh(out["boxes"]),
      "found_score": out["score"],
      "found_label": out["label"],
    }
    if self.annotations is None:
      rows |= _truth_rows(batch)
    return {}, rows

  def result(
    self, sums: Mapping[str, Any], rows: Mapping[str, np.ndarray]
  ) -> dict[str, float]:
    """Returns the metrics; -1 where there is no truth to find."""
    del sums
    images = np.asarray(rows["index"])
    truth, found = self.tables(rows)
    metrics = coco_ap(
      truth,
      found,
      images.tolist(),
      self.class_names,
      per_class=self.per_class,
    )
    if self.voc:
      more = voc_ap(
        truth, found, self.class_names, eleven_points=self.eleven_points
      )
      keep = self.per_class
      metrics |= {k: v for k, v in more.items() if keep or k == "voc_ap"}
    return metrics

  def tables(self, rows: Mapping[str, Any]) -> tuple[BoxTable, BoxTable]:
    """Returns what is there and what was found, of rows of some images."""
    real = np.asarray(rows["found_score"]) != 0  # 0 is no detection
    found = _table(rows, "found", real, score=rows["found_score"])
    return self.truth(rows, np.asarray(rows["index"])), found

  def truth(self, rows: Mapping[str, Any], images: np.ndarray) -> BoxTable:
    """Returns the true boxes of the images: the annotations', or the rows'."""
    if self.annotations is None:
      real = rows["true_mask"] > 0
      more = {
        name: rows[f"true_{name}"]
        for name in ("area", "crowd", "ignore")
        if f"true_{name}" in rows
      }
      return _table(rows, "true", real, **more)
    table = self.annotations()
    keep = np.isin(table.image, images)
    columns = dataclasses.asdict(table).items()
    return BoxTable(**{k: None if v is None else v[keep] for k, v in columns})


def _truth_rows(batch: Batch) -> dict[str, Array]:
  boxes = cxcywh_to_xyxy(batch["boxes"]) * pixel_scale(batch)[:, None]
  rows = {
    "true_boxes": xyxy_to_xywh(boxes),
    "true_label": batch["label"],
    "true_mask": batch["box_mask"],
  }
  return rows | {
    f"true_{name}": jnp.asarray(batch[name])
    for name in ("area", "crowd", "ignore")
    if name in batch
  }


def _table(
  rows: Mapping[str, np.ndarray], side: str, real: np.ndarray, **more: Any
) -> BoxTable:
  """Flattens padded rows (i, n, ...) to a table of the real ones."""
  image = np.broadcast_to(np.asarray(rows["index"])[:, None], real.shape)
  return BoxTable(
    image=image[real],
    label=rows[f"{side}_label"][real],
    boxes=rows[f"{side}_boxes"][real],
    **{name: value[real] for name, value in more.items()},
  )
