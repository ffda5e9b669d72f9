"""Outlines of numbered objects, over their image."""

import numpy as np

from vision_jax.viz.palette import palette
from vision_jax.viz.pixels import to_rgb

_COLOURS = 24  # that objects take turns in


def draw_contours(image: np.ndarray, instances: np.ndarray) -> np.ndarray:
  """Returns the image with a line along each object's edge, (h w 3) uint8.

  Args:
    image: see `to_rgb`.
    instances: (h w) integers of the same size, 0 where there is no object.
  """
  image, instances = to_rgb(image), np.asarray(instances)
  edge = edges(instances)
  colours = palette(_COLOURS)[instances[edge] % _COLOURS]
  image[edge] = colours
  return image


def edges(instances: np.ndarray) -> np.ndarray:
  """Whether a pixel (h w) is of an object and beside one of another, or none.

  Beside are the four that share a side; what lies beyond the border is none.
  """
  wide = np.pad(instances, 1)
  middle = wide[1:-1, 1:-1]
  beside = (wide[:-2, 1:-1], wide[2:, 1:-1], wide[1:-1, :-2], wide[1:-1, 2:])
  differs = [middle != other for other in beside]
  return (middle > 0) & np.logical_or.reduce(differs)
