"""Maps of depth: where there is one."""

import jax.numpy as jnp

from vision_jax.core.types import Array
from vision_jax.errors import UserError


def known_depth(depth: Array, found: Array) -> Array:
  """Which pixels (b, h, w) of a true map have a depth: finite and above 0.

  Args:
    depth: (b, h, w) the truth.
    found: what is compared with it.

  Raises:
    UserError: unless both have this shape.
  """
  if depth.ndim != 3 or depth.shape != found.shape:
    raise UserError(
      f"depth: got truth {depth.shape} and prediction {found.shape}; expected "
      "both (b, h, w). Predictions have to cover the image."
    )
  return jnp.isfinite(depth) & (depth > 0)
