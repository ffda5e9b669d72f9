"""Boxes of a video's frames joined to tracks, on the host, as frames come.

SORT: Bewley et al., 2016, https://arxiv.org/abs/1602.00763. Differs from the
paper: it tracks one class, here boxes join tracks of their own class only.
"""

from typing import NamedTuple

import numpy as np
import scipy.optimize

from vision_jax.errors import UserError
from vision_jax.inference.box_filter import Boxes, begun, corrected, moved
from vision_jax.ops.boxes import host_iou


class Tracks(NamedTuple):
  """What is tracked in a frame, n tracks.

  Attributes:
    number: (n,), which track, from 1 on.
    boxes: (n, 4) xyxy, smoothed by the track's filter.
    score: (n,) of the frame's detections.
    label: (n,), the classes.
  """

  number: np.ndarray
  boxes: np.ndarray
  score: np.ndarray
  label: np.ndarray


class Sort:
  """Joins each frame's boxes to tracks; called with the frames in order.

  A Kalman filter with a constant velocity says where each track's box is
  expected. Boxes are assigned to tracks so that the sum of IoUs is the largest
  (Hungarian algorithm); pairs below the least IoU are undone. What is left
  begins tracks of its own. A track is shown in frames in which it was detected,
  from its `hits`th on; before that, it ends with the first frame without it.

  Args:
    age: a track ends when it was not detected in more than so many frames one
      after the other. The paper's T_lost: 1.
    hits: frames in which a track is detected before it is shown.
    overlap: the least IoU of a box with where it is expected.
  """

  def __init__(self, *, age: int = 1, hits: int = 3, overlap: float = 0.3):
    if age < 0 or hits < 1 or not 0 < overlap <= 1:
      raise UserError(
        f"Sort: got age={age}, hits={hits}, overlap={overlap}; expected 0 or "
        "more frames, 1 or more, and an IoU above 0, up to 1."
      )
    self._age, self._hits, self._least = age, hits, overlap
    self._boxes = begun(np.zeros((0, 4)))
    self._label = self._number = np.zeros(0, int)
    self._seen = self._absent = np.zeros(0, int)  # frames
    self._next = 1

  def __call__(
    self, boxes: np.ndarray, score: np.ndarray, label: np.ndarray
  ) -> Tracks:
    """Returns what is tracked in the next frame.

    Args:
      boxes: (p, 4) xyxy, those that count; p may be 0. What has no area is
        left out.
      score: (p,).
      label: (p,) classes.

    Raises:
      UserError: for a box that is not finite.
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    if not np.isfinite(boxes).all():
      raise UserError(
        f"boxes: got {boxes[~np.isfinite(boxes).all(1)][0]}; expected finite "
        "pixels. Has the detector's training diverged?"
      )
    real = (boxes[:, 2:] > boxes[:, :2]).all(1)
    boxes, score, label = (np.asarray(x)[real] for x in (boxes, score, label))
    self._boxes = moved(self._boxes)
    tracks, found = self._assigned(boxes, label)
    self._correct(tracks, boxes[found])
    scores = np.zeros(len(self._number))
    scores[tracks] = score[found]
    rest = np.setdiff1d(np.arange(len(boxes)), found)
    self._begin(boxes[rest], label[rest])
    scores = np.concatenate([scores, score[rest]])
    shown = (self._absent == 0) & (self._seen >= self._hits)
    now = Tracks(
      *(self._number[shown], self._boxes.xyxy[shown]),
      *(scores[shown], self._label[shown]),
    )
    self._end()
    return now

  def _assigned(
    self, boxes: np.ndarray, label: np.ndarray
  ) -> tuple[np.ndarray, np.ndarray]:
    """Returns pairs of tracks and boxes."""
    overlap = host_iou(self._boxes.xyxy, boxes)
    overlap = np.where(self._label[:, None] == label, overlap, 0)
    pairs = scipy.optimize.linear_sum_assignment(overlap, maximize=True)
    near = overlap[pairs] >= self._least
    return pairs[0][near], pairs[1][near]

  def _correct(self, tracks: np.ndarray, boxes: np.ndarray) -> None:
    """Gives tracks the boxes that they were detected at."""
    mean, covariance = (x.copy() for x in self._boxes)
    now = corrected(Boxes(mean[tracks], covariance[tracks]), boxes)
    mean[tracks], covariance[tracks] = now
    self._boxes = Boxes(mean, covariance)
    self._absent = self._absent + 1
    self._absent[tracks] = 0
    self._seen[tracks] += 1

  def _begin(self, boxes: np.ndarray, label: np.ndarray) -> None:
    count = len(boxes)
    new = begun(boxes)
    joined = lambda *x: np.concatenate(x)
    self._boxes = Boxes(*map(joined, self._boxes, new))
    self._label = joined(self._label, np.asarray(label, int))
    self._absent = joined(self._absent, np.zeros(count, int))
    self._seen = joined(self._seen, np.ones(count, int))
    self._number = joined(self._number, np.zeros(count, int))
    # Tracks are numbered as they are shown, so that no number is left out.
    unnamed = (self._number == 0) & (self._seen >= self._hits)
    self._number[unnamed] = self._next + np.arange(unnamed.sum())
    self._next += int(unnamed.sum())

  def _end(self) -> None:
    """Forgets the tracks that were absent for too long."""
    least = np.where(self._seen < self._hits, 0, self._age)
    kept = self._absent <= least
    self._boxes = Boxes(*(x[kept] for x in self._boxes))
    self._label, self._number = self._label[kept], self._number[kept]
    self._absent, self._seen = self._absent[kept], self._seen[kept]
