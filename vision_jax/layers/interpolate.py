"""Maps of another size by interpolation."""

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array


def bilinear(x: Array, size: tuple[int, int]) -> Array:
  """Interpolates x (b, h, w, c) to (b, *size, c), in float32 and x's dtype.

  A pixel is an area, and what lies outside the outer pixels' middles is like
  them: torch's `interpolate` with align_corners=False. Nothing is averaged
  where `size` is smaller.
  """
  b, h, w, c = x.shape
  if (h, w) == tuple(size):
    return x
  wide = x.astype(jnp.float32)
  y = jax.image.resize(wide, (b, *size, c), "bilinear", antialias=False)
  return y.astype(x.dtype)
