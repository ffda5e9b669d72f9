"""Keypoints of objects, and the lines between them, drawn on images."""

from collections.abc import Sequence

import cv2
import numpy as np

from vision_jax.viz.palette import palette
from vision_jax.viz.pixels import to_rgb

_COLOURS = 24  # that objects take turns in
_SHIFT = 3  # binary digits of a pixel's parts


def draw_keypoints(
  image: np.ndarray,
  keypoints: np.ndarray,
  skeleton: Sequence[tuple[int, int]] = (),
  *,
  thickness: int = 1,
) -> np.ndarray:
  """Returns the image with keypoints over it, (h w 3) uint8.

  Args:
    image: see `to_rgb`.
    keypoints: (n, j, 3) x and y in pixels, and whether one is drawn, not 0.
    skeleton: pairs of keypoints with a line between them.
    thickness: width of the lines, in pixels.
  """
  image = to_rgb(image)
  for points, colour in zip(keypoints, _colours(len(keypoints)), strict=True):
    there = points[:, 2] != 0
    limit = 4 * max(image.shape)  # cv2 takes places of some bits only
    places = np.clip(points[:, :2], -limit, limit) * 2**_SHIFT
    at = [tuple(map(int, place)) for place in np.round(places)]
    for a, b in skeleton:
      if there[a] and there[b]:
        cv2.line(image, at[a], at[b], colour, thickness, cv2.LINE_AA, _SHIFT)
    radius = 2 * thickness << _SHIFT
    for place in (at[i] for i in np.flatnonzero(there)):
      cv2.circle(image, place, radius, colour, -1, cv2.LINE_AA, _SHIFT)
  return image


def _colours(number: int) -> list[tuple[int, ...]]:
  colours = palette(min(number, _COLOURS)).tolist()
  return [tuple(colours[i % _COLOURS]) for i in range(number)]
