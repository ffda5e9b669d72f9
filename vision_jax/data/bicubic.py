"""MATLAB's `imresize(image, scale)`: what super-resolution is measured with.

The bicubic kernel has a = -0.5 (Keys, 1981), is stretched where the image
becomes smaller (antialiasing), and what lies outside the image is its mirror
image. Whole numbers are computed in float64, and rounded at the end.
"""

import fractions
import math

import numpy as np

from vision_jax.data.errors import DataError


def imresize(
  image: np.ndarray, scale: float | fractions.Fraction
) -> np.ndarray:
  """Returns an image (h, w, c) that is `scale` times as large, in its dtype.

  Its sides are rounded up. Rows are resized first, then columns; floats are
  neither rounded nor clipped.

  Args:
    image: of whole numbers, or floats.
    scale: above 0; 1 / 3 is best given as a fraction.

  Raises:
    DataError: for another scale.
  """
  if not scale > 0:
    raise DataError(f"imresize: got a scale of {scale}; expected one above 0.")
  found = image.astype(np.float64)
  for axis in (0, 1):
    found = _along(found, axis, fractions.Fraction(scale))
  if image.dtype.kind != "f":
    white = np.iinfo(image.dtype).max
    found = np.clip(np.floor(found + 0.5), 0, white)
  return found.astype(image.dtype)


def _along(
  image: np.ndarray, axis: int, scale: fractions.Fraction
) -> np.ndarray:
  weights, indices = contributions(image.shape[axis], scale)
  total = 0.0
  for weight, index in zip(weights.T, indices.T, strict=True):
    shape = [-1 if i == axis else 1 for i in range(image.ndim)]
    total = total + np.take(image, index, axis) * weight.reshape(shape)
  return total


def contributions(
  length: int, scale: fractions.Fraction
) -> tuple[np.ndarray, np.ndarray]:
  """Returns what makes an axis of another length: weights and indices (m, p).

  Value i of the m new ones is the sum of weights[i] times the old values at
  indices[i].
  """
  new, shrink = math.ceil(length * scale), min(float(scale), 1.0)
  centre = (np.arange(new) + 0.5) / float(scale) - 0.5  # among the old ones
  taps = math.ceil(4 / shrink) + 2
  first = np.floor(centre - 2 / shrink).astype(int)
  places = first[:, None] + np.arange(taps)
  weights = cubic(shrink * (centre[:, None] - places))
  weights /= weights.sum(1, keepdims=True)
  mirrored = np.mod(places, 2 * length)
  indices = np.where(mirrored < length, mirrored, 2 * length - 1 - mirrored)
  used = weights.any(0)
  return weights[:, used], indices[:, used]


def cubic(x: np.ndarray) -> np.ndarray:
  """Returns Keys' kernel at x, a = -0.5; 0 from 2 on."""
  x = np.abs(x)
  near = (1.5 * x - 2.5) * x * x + 1
  far = ((-0.5 * x + 2.5) * x - 4) * x + 2
  return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))
