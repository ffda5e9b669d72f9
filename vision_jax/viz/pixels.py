"""Images of any kind as (h w 3) uint8 RGB, for drawing on."""

import numpy as np

from vision_jax.errors import UserError


def to_rgb(image: np.ndarray) -> np.ndarray:
  """Returns a new (h w 3) uint8 array of one image.

  Args:
    image: (h w), (h w 1) or (h w 3); see `to_unit`.

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
    image = np.round(to_unit(image) * 255)
  return np.ascontiguousarray(
    np.broadcast_to(image, (*image.shape[:2], 3)), np.uint8
  ).copy()


def to_unit(image: np.ndarray) -> np.ndarray:
  """Returns pixels as floats in [0, 1].

  Args:
    image: any shape; uint8, uint16, or floats in [0, 1], which are clipped.
  """
  image = np.asarray(image)
  if image.dtype in (np.uint8, np.uint16):
    return image / np.float32(np.iinfo(image.dtype).max)
  return np.clip(np.nan_to_num(image), 0, 1)
