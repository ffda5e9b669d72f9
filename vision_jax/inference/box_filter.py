"""A Kalman filter of boxes that keep their velocity, many at a time.

The state of a box is that of Bewley et al., 2016,
https://arxiv.org/abs/1602.00763: centre x and y, area, aspect ratio (width by
height), and what the first three change by in a frame; the aspect ratio stays.
The paper gives no noise: here its standard deviations are parts of the box's
own size, so that the unit of length does not matter. Kalman, 1960,
https://doi.org/10.1115/1.3662552.
"""

from typing import NamedTuple

import numpy as np

SEEN = 4  # of the state's numbers those that a detection has
# Standard deviations as parts of (side, side, area, ratio), where the side is
# the root of the area: of a detection, and of what a frame adds.
DETECTED = np.array([0.05, 0.05, 0.1, 0.1])
DRIFT = np.array([0.02, 0.02, 0.04, 0.01, 0.02, 0.02, 0.02])
UNKNOWN = np.array([1.0, 1.0, 0.5])  # of a velocity that nobody has seen
_MOVE = np.eye(7) + np.eye(7, k=SEEN)


class Boxes(NamedTuple):
  """What is known of n boxes: `mean` (n, 7) and `covariance` (n, 7, 7)."""

  mean: np.ndarray
  covariance: np.ndarray

  @property
  def xyxy(self) -> np.ndarray:
    """Corners, (n, 4)."""
    x, y, area, ratio = self.mean[:, :SEEN].T
    half = np.stack([np.sqrt(area * ratio), np.sqrt(area / ratio)], -1) / 2
    centre = np.stack([x, y], -1)
    return np.concatenate([centre - half, centre + half], -1)


def measured(boxes: np.ndarray) -> np.ndarray:
  """Returns centre, area and ratio (n, 4) of xyxy boxes that have an area."""
  low, high = boxes[:, :2], boxes[:, 2:]
  w, h = (high - low).T
  return np.concatenate([(low + high) / 2, np.stack([w * h, w / h], -1)], -1)


def begun(boxes: np.ndarray) -> Boxes:
  """Returns boxes at rest (n, 4), of whose velocity nothing is known."""
  seen = measured(np.asarray(boxes, np.float64))
  mean = np.concatenate([seen, np.zeros((len(seen), 3))], -1)
  deviation = _scale(mean) * np.concatenate([DETECTED, UNKNOWN])
  return Boxes(mean, _diagonal(deviation))


def moved(boxes: Boxes) -> Boxes:
  """Returns boxes as they are expected a frame later.

  An area that would vanish stays as it is instead.
  """
  mean = boxes.mean.copy()
  mean[:, 6] = np.where(mean[:, 2] + mean[:, 6] > 0, mean[:, 6], 0)
  mean = mean @ _MOVE.T
  noise = _diagonal(_scale(mean) * DRIFT)
  return Boxes(mean, _MOVE @ boxes.covariance @ _MOVE.T + noise)


def corrected(boxes: Boxes, detections: np.ndarray) -> Boxes:
  """Returns boxes (n) after each was detected, at xyxy (n, 4)."""
  mean, covariance = boxes
  noise = _diagonal((_scale(mean)[:, :SEEN]) * DETECTED)
  spread = covariance[:, :SEEN, :SEEN] + noise
  # gain = covariance of state and detection times the inverse of the spread
  gain = np.linalg.solve(spread, covariance[:, :SEEN]).transpose(0, 2, 1)
  away = measured(np.asarray(detections, np.float64)) - mean[:, :SEEN]
  mean = mean + (gain @ away[..., None])[..., 0]
  # Areas and ratios are positive, which no normal distribution knows.
  mean[:, 2:SEEN] = np.maximum(mean[:, 2:SEEN], 1e-6)
  return Boxes(mean, covariance - gain @ covariance[:, :SEEN])


def _scale(mean: np.ndarray) -> np.ndarray:
  """What a deviation of 1 is in each number of the state, (n, 7)."""
  area, ratio = mean[:, 2], mean[:, 3]
  side = np.sqrt(area)
  return np.stack([side, side, area, ratio, side, side, area], -1)


def _diagonal(deviation: np.ndarray) -> np.ndarray:
  """Covariances (n, d, d) of independent numbers of deviations (n, d)."""
  return deviation[..., None] ** 2 * np.eye(deviation.shape[-1])
