"""Images of any kind as (h w 3) uint8 RGB, for drawing on."""

from collections.abc import Sequence

import numpy as np

from vision_jax.errors import UserError


def to_rgb(image: np.ndarray) -> np.ndarray:
  """Returns a new (h w 3) uint8 array of one image.

  Args:
    image: (h w), (h w 1) or (h w 3); uint8, or floats in [0, 1], which are
      clipped.

  Raises:
    UserError: for another shape.
  """
  image = np.asarray(image)
  if image.ndim == 2:
    image = image[..., None]
  if image.ndim != 3 or image.shape[-1] not in (1, 3):
    raise UserError(
      f"image: got shape {image.shape}; expected (h, w), (h, w, 1) or "
      "(h, w, 3)."
    )
  if image.dtype != np.uint8:
    image = np.round(np.clip(np.nan_to_num(image), 0, 1) * 255)
  return np.ascontiguousarray(
    np.broadcast_to(image, (*image.shape[:2], 3)), np.uint8
  ).copy()


def denormalize(
  image: np.ndarray, mean: Sequence[float], std: Sequence[float]
) -> np.ndarray:
  """Undoes `normalize`: floats in [0, 1] again, (..., c)."""
  return np.asarray(image) * np.asarray(std) + np.asarray(mean)
