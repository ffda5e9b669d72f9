"""Average precision of masks of single objects."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from vision_jax.core.checks import check_class_names
from vision_jax.core.types import Array, Batch
from vision_jax.data import rle
from vision_jax.data.masks_in_boxes import paste
from vision_jax.metrics.coco import METRICS, BoxTable, coco_ap
from vision_jax.ops.boxes import canvas_scale, pixel_scale

PREFIX = "mask_"


@dataclasses.dataclass(frozen=True)
class MaskAveragePrecision:
  """COCO's metrics of masks, as `mask_ap`, `mask_ap50` and so on.

  Measures what `InstanceSegmentation.predict` gives: `boxes` (b, p, 4) xyxy in
  pixels, `masks` (b, p, m, m) in them, `score` and `label` (b, p). The truth
  comes with the batch: `masks` (b, n, h, w), `label` and `box_mask` (b, n), and
  where a source has it `crowd`. Or `instances` (b, h, w), which number objects
  of one class. Masks are compared at the size that the net sees, of which all
  images have to be.

  Attributes:
    class_names: k names.
    per_class: whether each class's metrics are returned.
  """

  class_names: Sequence[str]
  per_class: bool = False
  state: Any = ()

  def __post_init__(self):
    check_class_names("class_names", self.class_names)

  @property
  def names(self) -> tuple[str, ...]:
    """Names of the metrics that `result` may give."""
    names = self.class_names if self.per_class else ()
    kinds = ("ap_class", "ap50_class")
    classes = [f"{kind}/{name}" for kind in kinds for name in names]
    return tuple(PREFIX + name for name in (*METRICS, *classes))

  def measure(
    self, state: Any, out: Mapping[str, Array], batch: Batch
  ) -> tuple[dict[str, Array], dict[str, Array]]:
    """Returns no sums, and the masks of both sides as rows."""
    del state
    scale = (canvas_scale(batch) / pixel_scale(batch))[:, None]
    rows = {
      "found_boxes": out["boxes"] * scale,
      "found_masks": out["masks"].astype(jnp.float16),
      "found_score": out["score"],
      "found_label": out["label"],
    }
    return {}, rows | _truth_rows(batch)

  def result(
    self, sums: Mapping[str, Any], rows: Mapping[str, np.ndarray]
  ) -> dict[str, float]:
    """Returns the metrics; -1 where there is no truth to find."""
    del sums
    images = np.asarray(rows["index"]).tolist()
    size = tuple(rows["true_size"][0].tolist())
    number = range(len(images))
    truth = _table([_true(rows, i, size) for i in number], images)
    found = _table([_found(rows, i, size) for i in number], images)
    metrics = coco_ap(
      truth, found, images, self.class_names, per_class=self.per_class
    )
    return {PREFIX + name: x for name, x in metrics.items()}


def _truth_rows(batch: Batch) -> dict[str, Array]:
  b, h, w, _ = batch["image"].shape
  rows = {"true_size": jnp.tile(jnp.array([[h, w]], jnp.int32), (b, 1))}
  if "masks" not in batch:
    return rows | {"true_instances": batch["instances"]}
  packed = jnp.packbits(batch["masks"] > 0, axis=-1)
  rows |= {"true_masks": packed, "true_label": batch["label"]}
  rows["true_mask"] = batch["box_mask"]
  return rows | ({"true_crowd": batch["crowd"]} if "crowd" in batch else {})


def _true(
  rows: Mapping[str, np.ndarray], i: int, size: tuple[int, int]
) -> dict[str, np.ndarray]:
  """The true masks of an image, as columns of a table."""
  if "true_instances" in rows:
    numbers = rows["true_instances"][i]
    ids = np.unique(numbers[numbers > 0])
    masks = numbers == ids[:, None, None]
    label = np.zeros(len(ids), np.int32)
    return {"masks": _array(rle.encoded(masks)), "label": label}
  real = rows["true_mask"][i] > 0
  masks = np.unpackbits(rows["true_masks"][i][real], axis=-1, count=size[1])
  more = {"crowd": "true_crowd"} if "true_crowd" in rows else {}
  return {
    "masks": _array(rle.encoded(masks)),
    "label": rows["true_label"][i][real],
    **{name: rows[key][i][real] for name, key in more.items()},
  }


def _found(
  rows: Mapping[str, np.ndarray], i: int, size: tuple[int, int]
) -> dict[str, np.ndarray]:
  """The masks found in an image, as columns of a table."""
  real = rows["found_score"][i] != 0  # 0 is no detection
  of = lambda name: rows[f"found_{name}"][i][real]
  masks = paste(of("masks"), of("boxes"), size)
  columns = {name: of(name) for name in ("label", "score")}
  return columns | {"masks": _array(rle.encoded(masks))}


def _table(
  parts: Sequence[Mapping[str, np.ndarray]], images: Sequence[int]
) -> BoxTable:
  """Joins the columns of images; the boxes are not asked for."""
  image = np.repeat(images, [len(x["label"]) for x in parts]).astype(np.int64)
  columns = {k: np.concatenate([x[k] for x in parts]) for k in parts[0]}
  return BoxTable(image=image, boxes=np.zeros((len(image), 4)), **columns)


def _array(values: Sequence[Any]) -> np.ndarray:
  """A column of objects that numpy leaves as they are."""
  column = np.empty(len(values), object)
  column[:] = values
  return column
