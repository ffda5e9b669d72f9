"""Large images more often than small ones, so that all places come alike."""

import functools

import numpy as np

from vision_jax.data.headers import sizes
from vision_jax.data.source import Source, read
from vision_jax.data.subsets import subset


def by_area(source: Source, of: Source, side: int) -> Source:
  """Returns examples, each as often as squares would fill its image, or once.

  For training on a random square of each example: without it, a place of a
  large image is seen more seldom than one of a small image.

  Args:
    source: the examples.
    of: the same examples as they lie, with `image`, of which the files' heads
      are read.
    side: of the squares, in pixels; their number is rounded.
  """
  return subset(source, functools.partial(_indices, of, side))


def _indices(source: Source, side: int) -> np.ndarray:
  found = sizes(len(source), lambda i: read(source, np.array([i]))[0]["image"])
  times = [round(h * w / side**2) for h, w in (x or (0, 0) for x in found)]
  return np.repeat(np.arange(len(source)), np.maximum(times, 1))
