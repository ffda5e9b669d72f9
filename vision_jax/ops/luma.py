"""Luma of colour images: what is restored, and measured, of them.

"video" is MATLAB's `rgb2ycbcr`, 16 for black to 235 for white of 255; "full" is
JPEG's and Pillow's, 0 to 255. Both are of BT.601, of pixels in [0, 1].
"""

import numpy as np

from vision_jax.core.checks import check_name
from vision_jax.core.types import Array

WEIGHTS = {
  "video": np.array([65.481, 128.553, 24.966], np.float32) / 255,
  "full": np.array([0.299, 0.587, 0.114], np.float32),
}
BLACK = {"video": np.float32(16 / 255), "full": np.float32(0)}


def check_kind(kind: str) -> str:
  """Returns the kind of luma, if there is one of that name."""
  return check_name("luma", kind, WEIGHTS)


def luma(image: Array, kind: str = "video") -> Array:
  """Returns the luma (..., 1) of colours (..., 3); grey is black to white."""
  weights = WEIGHTS[kind]
  if image.shape[-1] == 1:
    return image * weights.sum() + BLACK[kind]
  # Not a product of matrices, which accelerators round.
  parts = [image[..., i : i + 1] * weights[i] for i in range(3)]
  return parts[0] + parts[1] + parts[2] + BLACK[kind]


def with_luma(image: Array, new: Array, kind: str = "video") -> Array:
  """Returns colours (..., c) of another luma (..., 1), and the same chroma."""
  return image + (new - luma(image, kind)) / WEIGHTS[kind].sum()
