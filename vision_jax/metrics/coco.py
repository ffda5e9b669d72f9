"""COCO's average precision on the host, by faster-coco-eval.

Truth and detections are flat arrays, one row a box, in `BoxTable`s: they come
from a metric's rows or from json files alike.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from vision_jax.core.checks import check_class_names
from vision_jax.data import rle
from vision_jax.errors import UserError

# Above COCO's largest area: a box of it counts in no range, so that it neither
# has to be found nor makes what finds it wrong.
_IGNORED_AREA = 1e12
_NO_SIZE = {"height": 1, "width": 1}  # of an image without masks
METRICS = (
  *("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large"),
  *("ar1", "ar10", "ar100", "ar_small", "ar_medium", "ar_large"),
)
# Of keypoints, of which no object is small.
KEYPOINT_METRICS = (
  *("ap", "ap50", "ap75", "ap_medium", "ap_large"),
  *("ar", "ar50", "ar75", "ar_medium", "ar_large"),
)
# How far annotators are from each other, of COCO's 17 keypoints of a person:
# nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles.
PERSON_SIGMAS = (
  *(0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072),
  *(0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089, 0.089),
)


@dataclasses.dataclass(frozen=True)
class BoxTable:
  """Boxes of many images, one row each.

  Attributes:
    image: (r,), which image, any integers.
    label: (r,), class 0 ... k - 1.
    boxes: (r, 4) xywh in pixels.
    score: (r,), of detections; None for the truth.
    area: (r,), of the truth, by which boxes are small, medium or large; None
      for width times height. COCO has the area of the object's mask.
    crowd: (r,), of the truth: a region of many objects, in which any number
      of detections may lie; None for none.
    ignore: (r,), of the truth: need not be found, such as VOC's difficult
      objects; None for none.
    masks: (r,), the run lengths of each mask as COCO has them, which are then
      compared in place of the boxes; None for boxes.
    keypoints: (r, j, 3) x and y in pixels and, of the truth, whether one is
      labelled, above 0. They are then compared in place of the boxes by their
      similarity (OKS), and an object without a labelled one need not be found.
      None for boxes.
  """

  image: np.ndarray
  label: np.ndarray
  boxes: np.ndarray
  score: np.ndarray | None = None
  area: np.ndarray | None = None
  crowd: np.ndarray | None = None
  ignore: np.ndarray | None = None
  masks: np.ndarray | None = None
  keypoints: np.ndarray | None = None

  def __len__(self) -> int:
    return len(self.image)

  @property
  def xyxy(self) -> np.ndarray:
    """The boxes' corners, (r, 4) float64."""
    boxes = np.asarray(self.boxes, np.float64).reshape(-1, 4)
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1)


def coco_ap(
  truth: BoxTable,
  detections: BoxTable,
  images: Sequence[int],
  class_names: Sequence[str],
  *,
  per_class: bool = True,
  sigmas: Sequence[float] = PERSON_SIGMAS,
) -> dict[str, float]:
  """Returns COCO's 12 metrics, and `ap_class/NAME`, `ap50_class/NAME`.

  Of keypoints there are 10, `KEYPOINT_METRICS`. A metric without any truth,
  such as `ap_small` where nothing is small, is -1, as COCO's own tools have it.

  Args:
    truth: what is there.
    detections: what was found; of each image and class the best 100 count, of
      keypoints the best 20.
    images: all images, those without boxes too.
    class_names: k names.
    per_class: whether to return the classes' metrics.
    sigmas: of each of the j keypoints, by how much of an object's size its
      place is unsure.
  """
  check_class_names("class_names", class_names)
  names = METRICS if truth.keypoints is None else KEYPOINT_METRICS
  k = len(class_names)
  evaluation = _evaluate(truth, detections, images, k, sigmas)
  stats = np.asarray(evaluation.stats[: len(names)], np.float64)
  metrics = dict(zip(names, stats.tolist(), strict=True))
  if per_class:
    precision = evaluation.eval["precision"]  # threshold, recall, k, area, max
    for k, name in enumerate(class_names):
      metrics[f"ap_class/{name}"] = _mean(precision[:, :, k, 0, -1])
      metrics[f"ap50_class/{name}"] = _mean(precision[0, :, k, 0, -1])
  return metrics


def _evaluate(
  truth: BoxTable,
  detections: BoxTable,
  images: Sequence[int],
  k: int,
  sigmas: Sequence[float],
) -> Any:
  from faster_coco_eval import COCO, COCOeval_faster

  kind = "bbox" if truth.masks is None else "segm"
  if truth.keypoints is not None:
    kind = "keypoints"
    _check_keypoints(truth, detections, len(sigmas))
  size = _sizes(truth) | _sizes(detections)
  header = {
    "images": [{"id": int(i)} | size.get(int(i), _NO_SIZE) for i in images],
    "categories": [{"id": c, "name": str(c)} for c in range(k)],
  }
  quiet = {"print_function": lambda *_: None}
  _check(truth, detections, images, k)
  gt, dt = COCO(**quiet), COCO(**quiet)
  gt.dataset = header | {"annotations": _truth_rows(truth)}
  dt.dataset = header | {"annotations": _detection_rows(detections)}
  gt.createIndex()
  dt.createIndex()
  evaluation = COCOeval_faster(
    gt, dt, kind, kpt_oks_sigmas=list(sigmas), **quiet
  )
  evaluation.params.catIds = list(range(k))
  evaluation.params.imgIds = [int(i) for i in images]
  evaluation.evaluate()
  evaluation.accumulate()
  evaluation.summarize()
  return evaluation


def _sizes(table: BoxTable) -> dict[int, dict[str, int]]:
  """Image -> its height and width, of those that have masks."""
  if table.masks is None:
    return {}
  return {
    int(i): dict(zip(_NO_SIZE, mask["size"], strict=True))
    for i, mask in zip(table.image, table.masks, strict=True)
  }


def _areas(table: BoxTable) -> np.ndarray:
  """The areas of masks, or of boxes."""
  if table.masks is None:
    return np.asarray(table.boxes, np.float64)[:, 2:].prod(-1)
  return rle.areas(table.masks)


def _truth_rows(table: BoxTable) -> list[dict[str, Any]]:
  area = table.area
  area = _areas(table) if area is None else np.asarray(area, np.float64)
  ignore = np.zeros(len(table)) if table.ignore is None else table.ignore
  ignore, more = np.asarray(ignore) > 0, {}
  if table.keypoints is None:
    area = np.where(ignore, _IGNORED_AREA, area)
  else:  # whose similarity depends on the area
    labelled = (np.asarray(table.keypoints)[..., 2] > 0).sum(-1)
    more["num_keypoints"] = np.where(ignore, 0, labelled).tolist()
  crowd = np.zeros(len(table)) if table.crowd is None else table.crowd
  crowd = np.asarray(crowd).astype(int).tolist()
  return _rows(table, area=area.tolist(), iscrowd=crowd, **more)


def _detection_rows(table: BoxTable) -> list[dict[str, Any]]:
  score = np.asarray(table.score, float).tolist()
  crowd, area = [0] * len(table), _areas(table)
  if table.keypoints is not None and len(table):
    places = np.asarray(table.keypoints, np.float64)[..., :2]
    area = np.ptp(places, 1).prod(-1)  # around them, as COCO has it
  return _rows(table, area=area.tolist(), score=score, iscrowd=crowd)


def _rows(table: BoxTable, **columns: list[Any]) -> list[dict[str, Any]]:
  """Annotations in COCO's form, with these columns beside the table's."""
  named = dict(
    zip(("image_id", "category_id", "bbox"), _columns(table), strict=True)
  )
  if table.masks is not None:
    named["segmentation"] = list(table.masks)
  if table.keypoints is not None:
    flat = np.asarray(table.keypoints, np.float64).reshape(len(table), -1)
    named["keypoints"] = flat.tolist()
  named |= columns
  return [
    {"id": i} | dict(zip(named, values, strict=True))
    for i, values in enumerate(zip(*named.values(), strict=True), 1)
  ]


def _columns(table: BoxTable) -> list[list[Any]]:
  return [
    np.asarray(table.image).astype(int).tolist(),
    np.asarray(table.label).astype(int).tolist(),
    np.asarray(table.boxes, np.float64).reshape(-1, 4).tolist(),
  ]


def _check(
  truth: BoxTable, detections: BoxTable, images: Sequence[int], k: int
) -> None:
  if len(set(images)) != len(images):
    raise UserError(
      f"coco_ap: the {len(images)} images have only {len(set(images))} "
      "different numbers; expected one for each."
    )
  for name, table in (("truth", truth), ("detections", detections)):
    if not len(table):
      continue
    unknown = np.setdiff1d(table.image, np.asarray(images))
    if unknown.size:
      raise UserError(
        f"coco_ap: the {name} have boxes in image {unknown[0]}, which is not "
        "among the images."
      )
    low, high = int(table.label.min()), int(table.label.max())
    if low < 0 or high >= k:
      raise UserError(
        f"coco_ap: the {name} have labels {low} to {high}; expected 0 to "
        f"{k - 1}, one for each class name."
      )


def _check_keypoints(truth: BoxTable, detections: BoxTable, j: int) -> None:
  for name, table in (("truth", truth), ("detections", detections)):
    shape = np.shape(table.keypoints)
    if len(table) and shape != (len(table), j, 3):
      raise UserError(
        f"coco_ap: the {name} have keypoints {shape}, and there are {j} "
        f"sigmas; expected {(len(table), j, 3)}. Give a sigma for each "
        "keypoint."
      )


def _mean(precision: np.ndarray) -> float:
  real = precision[precision > -1]
  return float(real.mean()) if real.size else -1.0
