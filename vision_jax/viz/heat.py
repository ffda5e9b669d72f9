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
  levels = np.round(np.nan_to_num(heat).clip(0, 1) * 255).astype(np.uint8)
  colour = cv2.applyColorMap(levels, cv2.COLORMAP_TURBO)[..., ::-1]
  grey = image.mean(-1, keepdims=True)
  return np.round((1 - alpha) * grey + alpha * colour).astype(np.uint8)
