"""Points of a plane by class, as an image."""

import cv2
import numpy as np

from vision_jax.errors import UserError
from vision_jax.viz.palette import palette, readable_on
from vision_jax.viz.text import put_label

_MARGIN = 16  # pixels on every side
_RADIUS = 2  # pixels of a point


def scatter(
  points: np.ndarray, label: np.ndarray, *, size: int = 512
) -> np.ndarray:
  """Returns a panel (size size 3) uint8 of points in the colours of classes.

  A class's number stands at its mean. Both axes have one scale; y goes up.

  Args:
    points: (n, 2) x and y.
    label: (n,) classes, 0 or more.
    size: pixels of a side.

  Raises:
    UserError: for other shapes, and points that are not finite.
  """
  points, label = np.asarray(points, np.float64), np.asarray(label)
  if points.shape != (len(label), 2) or not len(label):
    raise UserError(
      f"scatter: got points {points.shape} and labels {label.shape}; expected "
      "(n, 2) and (n,)."
    )
  if not np.isfinite(points).all():
    raise UserError("scatter: got points that are not finite.")
  low, high = points.min(0), points.max(0)
  scale = (size - 1 - 2 * _MARGIN) / max((high - low).max(), 1e-12)
  x, y = ((points - (low + high) / 2) * scale).T
  places = np.stack([x, -y], -1) + (size - 1) / 2
  panel = np.full((size, size, 3), 255, np.uint8)
  colours = palette(int(label.max()) + 1).tolist()
  for place, k in zip(np.rint(places).astype(int).tolist(), label, strict=True):
    cv2.circle(panel, place, _RADIUS, colours[k], -1)
  for k in np.unique(label):
    corner = np.rint(places[label == k].mean(0)).astype(int) - 8
    colour = colours[k]
    how = {"colour": readable_on(colour), "background": colour}
    put_label(panel, str(k), tuple(corner.tolist()), **how)
  return panel
