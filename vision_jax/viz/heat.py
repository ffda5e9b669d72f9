"""Heat over an image: how much of something there is at each pixel."""

import cv2
import numpy as np

from vision_jax.errors import UserError
from vision_jax.viz.pixels import to_rgb


def overlay_heat(
  image: np.ndarray, heat: np.ndarray, *, alpha: float = 0.5
) -> np.ndarray:
  """Returns the image, in grey, with heat over it, (h w 3) uint8.

  Args:
    image: see `to_rgb`.
    heat: (h w) in [0, 1], of the image's size: from blue to red.
    alpha: how much of the colour, 0 to 1.

  Raises:
    UserError: for another size.
  """
  image, heat = to_rgb(image), np.asarray(heat)
  if heat.shape != image.shape[:2]:
    raise UserError(
      f"heat: got {heat.shape} for an image {image.shape[:2]}; expected one "
      "value a pixel."
    )
  colour = _coloured(heat)
  grey = image.mean(-1, keepdims=True)
  return np.round((1 - alpha) * grey + alpha * colour).astype(np.uint8)


def depth_colours(depth: np.ndarray) -> np.ndarray:
  """Returns depth (h w) in colours, (h w 3) uint8.

  The nearest is red and the farthest blue, by logarithms; what has no depth (0,
  negative or not finite) is black.
  """
  depth = np.asarray(depth, np.float64)
  known = np.isfinite(depth) & (depth > 0)
  if not known.any():
    return np.zeros((*depth.shape, 3), np.uint8)
  log = np.log(np.where(known, depth, 1))
  low, high = log[known].min(), log[known].max()
  heat = (high - log) / max(high - low, 1e-9)
  return _coloured(heat) * known[..., None].astype(np.uint8)


def _coloured(heat: np.ndarray) -> np.ndarray:
  """Returns (h w) in [0, 1] from blue to red, (h w 3) uint8."""
  levels = np.round(np.nan_to_num(heat).clip(0, 1) * 255).astype(np.uint8)
  return cv2.applyColorMap(levels, cv2.COLORMAP_TURBO)[..., ::-1]
