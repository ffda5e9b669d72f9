"""Anchors of a detector's maps: boxes around each place, in pixels, xyxy.

They are numbers that follow from shapes: numpy arrays, constants of a compiled
step. As torchvision has them, a map's places lie at multiples of its stride
from the image's corner (not half a stride inside), and its stride is the whole
number of pixels that the image has for each place of the map.
"""

import itertools
from collections.abc import Sequence

import numpy as np

Sides = tuple[int, int]  # height, width


def cell(
  sizes: Sequence[float], ratios: Sequence[float] = (1.0,)
) -> np.ndarray:
  """Returns anchors around (0, 0), (ratios x sizes, 4), of whole corners.

  Args:
    sizes: square roots of their areas, in pixels.
    ratios: height by width of each.
  """
  shapes = [
    (size / ratio**0.5, size * ratio**0.5)
    for ratio, size in itertools.product(ratios, sizes)
  ]
  half = np.array(shapes, np.float32) / 2
  return np.round(np.concatenate([-half, half], -1))


def grid(sides: Sides, stride: Sequence[float]) -> np.ndarray:
  """Returns the places (h w, 2), x and y, of a map of `sides`, row by row."""
  y, x = np.meshgrid(*map(np.arange, sides), indexing="ij")
  points = np.stack([x * stride[1], y * stride[0]], -1)
  return points.reshape(-1, 2).astype(np.float32)


def cells(sides: Sides, stride: int) -> np.ndarray:
  """Returns the cells (h w, 4) of a map: squares of a stride, side by side.

  The first one's corner is the image's; the last may reach beyond it.
  """
  low = np.tile(grid(sides, (stride, stride)), 2)
  return low + np.float32([0, 0, stride, stride])


def anchors(image: Sides, sides: Sides, cells: np.ndarray) -> np.ndarray:
  """Returns a map's anchors (h w a, 4): those of a place follow one another.

  Args:
    image: (height, width) of the image in pixels.
    sides: of the map.
    cells: (a, 4), see `cell`.
  """
  stride = (image[0] // sides[0], image[1] // sides[1])
  places = np.tile(grid(sides, stride), 2)
  return (places[:, None] + cells[None]).reshape(-1, 4).astype(np.float32)


def default_boxes(
  image: Sides, sides: Sides, shapes: np.ndarray, step: float = 0.0
) -> np.ndarray:
  """Returns SSD's anchors of a map, (h w a, 4): those of a place in a row.

  Liu et al., 2016, https://arxiv.org/abs/1512.02325. Places are in the middle
  of a step.

  Args:
    image: (height, width) of the image in pixels.
    sides: of the map.
    shapes: (a, 2), widths and heights as parts of the image, 1 at most.
    step: pixels from one place to the next; 0 divides the image by `sides`.
  """
  h, w = (step or n / m for n, m in zip(image, sides, strict=True))
  places = (grid(sides, (h, w)) + np.float32([w, h]) / 2)[:, None]
  half = np.minimum(shapes, 1) * np.float32(image[::-1]) / 2
  found = np.concatenate([places - half, places + half], -1)
  return found.reshape(-1, 4).astype(np.float32)
