"""Images as planes of levels 0 ... 255, in which colour operations are defined.

Planes (b, c, h, w), and not (b, h, w, c): with the channels innermost a CPU
takes more than ten times as long to turn a hue.
"""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from vision_jax.core.types import Array
from vision_jax.errors import UserError

# What black and white are in the image: numbers, or one for each channel.
ValueRange = tuple[float | Sequence[float], float | Sequence[float]]


def normalized_range(
  mean: float | Sequence[float], std: float | Sequence[float]
) -> ValueRange:
  """Returns the `value_range` of images (x - mean) / std, x in [0, 1]."""
  mean, std = np.asarray(mean, np.float64), np.asarray(std, np.float64)
  return (-mean / std).tolist(), ((1 - mean) / std).tolist()


def check_range(value_range: ValueRange) -> None:
  """Raises a ValueError unless white is above black in every channel."""
  low, high = (np.asarray(value, np.float64) for value in value_range)
  if not np.all(high > low):
    raise UserError(
      f"value_range: got {value_range}; expected (black, white), the second "
      "larger. normalized_range(mean, std) gives that of normalised images."
    )


def to_levels(image: Array, value_range: ValueRange) -> Array:
  """Returns float32 planes (b, c, h, w); uint8 are levels already."""
  planes = image.transpose(0, 3, 1, 2).astype(jnp.float32)
  if image.dtype == jnp.uint8:
    return planes
  low, high = _ends(value_range)
  return (planes - low) * (255 / (high - low))


def from_levels(levels: Array, image: Array, value_range: ValueRange) -> Array:
  """Returns planes in the layout, range and type of `image`."""
  if image.dtype == jnp.uint8:
    return _to_image(jnp.round(jnp.clip(levels, 0, 255))).astype(jnp.uint8)
  low, high = _ends(value_range)
  return _to_image(levels * ((high - low) / 255) + low).astype(image.dtype)


def _to_image(planes: Array) -> Array:
  return planes.transpose(0, 2, 3, 1)


def _ends(value_range: ValueRange) -> tuple[np.ndarray, np.ndarray]:
  low, high = (np.asarray(value, np.float32) for value in value_range)
  return low.reshape(-1, 1, 1), high.reshape(-1, 1, 1)
