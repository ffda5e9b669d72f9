"""Pascal VOC's average precision on the host.

Everingham et al., 2010, https://doi.org/10.1007/s11263-009-0275-4. It differs
from COCO's AP50: a detection goes to the box that it overlaps most, taken or
not, the precision is averaged over all recalls (or eleven), and a class
without truth is left out.
"""

from collections.abc import Sequence

import numpy as np

from vision_jax.core.checks import check_class_names
from vision_jax.metrics.coco import BoxTable
from vision_jax.metrics.precision_recall import precision_at
from vision_jax.ops.boxes import host_iou


def voc_ap(
  truth: BoxTable,
  detections: BoxTable,
  class_names: Sequence[str],
  *,
  threshold: float = 0.5,
  eleven_points: bool = False,
) -> dict[str, float]:
  """Returns `voc_ap`, the mean over the classes, and `voc_ap_class/NAME`.

  Args:
    truth: what is there; `ignore` marks difficult objects, which need not be
      found and take any number of detections without harm.
    detections: what was found.
    class_names: k names.
    threshold: IoU from which a detection is right.
    eleven_points: VOC 2007's mean of the precision at recalls 0, 0.1, ... 1,
      in place of the area under the curve (VOC 2010 on).
  """
  check_class_names("class_names", class_names)
  metrics = {}
  for k, name in enumerate(class_names):
    right, number = _judge(truth, detections, k, threshold)
    metrics[f"voc_ap_class/{name}"] = _average(right, number, eleven_points)
  real = [value for value in metrics.values() if value >= 0]
  return {"voc_ap": float(np.mean(real)) if real else -1.0} | metrics


def _judge(
  truth: BoxTable, detections: BoxTable, k: int, threshold: float
) -> tuple[np.ndarray, int]:
  """Returns whether each of a class's detections is right, best first.

  Those that found a difficult object are left out. Also how many objects there
  are to be found.
  """
  rows = np.flatnonzero(np.asarray(truth.label) == k)
  image, boxes = np.asarray(truth.image)[rows], truth.xyxy[rows]
  difficult = np.zeros(len(rows), bool)
  if truth.ignore is not None:
    difficult = np.asarray(truth.ignore)[rows] > 0
  place = {i: np.flatnonzero(image == i) for i in np.unique(image).tolist()}
  taken, right = np.zeros(len(rows), bool), []
  found = np.flatnonzero(np.asarray(detections.label) == k)
  order = np.argsort(-np.asarray(detections.score)[found], kind="stable")
  corners = detections.xyxy
  for d in found[order]:
    here = place.get(int(detections.image[d]), np.zeros(0, int))
    (overlap,) = host_iou(corners[d], boxes[here])
    best = int(np.argmax(overlap)) if len(here) else -1
    if best < 0 or overlap[best] < threshold:
      right.append(False)
    elif not difficult[here[best]]:
      right.append(not taken[here[best]])
      taken[here[best]] = True
  return np.array(right, bool), int((~difficult).sum())


def _average(right: np.ndarray, number: int, eleven_points: bool) -> float:
  """Average precision of detections, best first; -1 if nothing is there."""
  if number == 0:
    return -1.0
  if eleven_points:
    recalls = np.linspace(0, 1, 11) - 1e-12
    return float(np.mean(precision_at(right, number, recalls)))
  # The area below the curve: each right detection's part of the recall.
  recalls = np.arange(1, np.sum(right) + 1) / number
  return float(np.sum(precision_at(right, number, recalls - 1e-12)) / number)
