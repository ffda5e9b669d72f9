"""Tables (b, c, 256) of levels: an image's histogram, and new levels for old.

Whatever changes each channel's levels by themselves (brightness, contrast,
equalize, posterize, ...) is such a table, and one look-up for all of them.
"""

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array
from vision_jax.forms.choice import form

LEVELS = 256


def histogram(level: Array) -> Array:
  """Counts the levels of planes (b, c, h, w), of any integer type: int32."""
  b, c, h, w = level.shape
  if form("histogram") == "compare":
    # Each level compared with each pixel: 256 times the arithmetic, which an
    # accelerator has to spare, and neither a scatter nor its atomic additions.
    flat = level.reshape(b, c, 1, h * w).astype(jnp.int32)
    same = flat == jnp.arange(LEVELS)[:, None]
    return jnp.sum(same, -1, dtype=jnp.int32)
  # One histogram an image, of all its channels' levels beside one another:
  # other forms take five times as long on a CPU, or gather over shards.
  flat = level.astype(jnp.int32) + LEVELS * jnp.arange(c)[:, None, None]
  count = jax.vmap(lambda x: jnp.bincount(x, length=LEVELS * c))
  return count(flat.reshape(b, -1)).reshape(b, c, LEVELS)


def look_up(table: Array, level: Array) -> Array:
  """Returns each pixel's entry of its plane's table, in the table's type.

  Args:
    table: (b, c, 256).
    level: (b, c, h, w), integers 0 ... 255.
  """
  b, c = level.shape[:2]
  place = level.astype(jnp.int32) + LEVELS * jnp.arange(c)[:, None, None]
  get = lambda t, i: t.at[i].get(mode="promise_in_bounds")
  found = jax.vmap(get)(table.reshape(b, -1), place.reshape(b, -1))
  return found.reshape(level.shape)


def equalizing(count: Array, size: int) -> Array:
  """Returns the table that evens a histogram (..., 256) of `size` pixels."""
  levels = jnp.arange(LEVELS)
  last = LEVELS - 1 - jnp.argmax(count[..., ::-1] > 0, -1, keepdims=True)
  top = jnp.sum(jnp.where(levels == last, count, 0), -1, keepdims=True)
  step = (size - top) // 255
  before = jnp.cumsum(count, -1) - count
  # Of integers, but a float's division is a vector instruction.
  place = (before + step // 2).astype(jnp.float32) + 0.5
  table = jnp.clip(jnp.floor(place / jnp.maximum(step, 1)), 0, 255)
  return jnp.where(step > 0, table, levels.astype(jnp.float32))
