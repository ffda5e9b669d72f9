"""Operations on planes (b, c, h, w) of levels 0 ... 255, c 1 or 3, as Pillow's.

Continuous where Pillow rounds to integers. A factor is a number, or one for
each image, (b, 1, 1, 1).
"""

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.ops.augment.tables import equalizing, histogram, look_up

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


def gray(x: Array) -> Array:
  """Returns the luma (b, 1, h, w)."""
  c = x.shape[1]
  if c == 1:
    return x
  if c != 3:
    raise UserError(
      f"image: got {c} channels; colour operations expect 1 or 3."
    )
  r, g, b = _split(x)
  return _LUMA[0] * r + _LUMA[1] * g + _LUMA[2] * b


def mean_gray(x: Array) -> Array:
  """Returns the mean luma (b, 1, 1, 1)."""
  return jnp.mean(gray(x), (2, 3), keepdims=True)


def blend(base: Array | float, x: Array, factor: Array | float) -> Array:
  """Returns base + factor (x - base), clipped: 0 is the base and 1 is x."""
  return jnp.clip(base + factor * (x - base), 0, 255)


def smooth(x: Array) -> Array:
  """Returns x under the 3 x 3 kernel of ones, 5 in its middle; same border."""
  h, w = x.shape[2:]
  if min(h, w) < 3:
    return x
  rows = x[:, :, :-2] + x[:, :, 1:-1] + x[:, :, 2:]
  window = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]
  inner = (window + 4 * x[:, :, 1:-1, 1:-1]) / 13
  return jax.lax.dynamic_update_slice(x, inner, (0, 0, 1, 1))


def autocontrast(x: Array) -> Array:
  """Stretches each channel so that its ends are 0 and 255."""
  low = jnp.min(x, (2, 3), keepdims=True)
  return stretch(x, low, jnp.max(x, (2, 3), keepdims=True))


def stretch(x: Array, low: Array, high: Array) -> Array:
  """Makes `low` 0 and `high` 255, where the second is above the first."""
  flat = high <= low
  stretched = (x - low) * (255 / jnp.where(flat, 1, high - low))
  return jnp.where(flat, x, stretched)


def solarize(x: Array, threshold: Array | float) -> Array:
  """Inverts the levels from the threshold on."""
  return jnp.where(x < threshold, x, 255 - x)


def posterize(x: Array, bits: int) -> Array:
  """Keeps the highest bits of each level."""
  step = 2 ** (8 - bits)
  return jnp.floor(jnp.round(x) / step) * step


def equalize(x: Array) -> Array:
  """Spreads each channel's levels so that their histogram is even."""
  level = jnp.clip(jnp.round(x), 0, 255).astype(jnp.int32)
  return look_up(equalizing(histogram(level), x.shape[2] * x.shape[3]), level)


def adjust_hue(x: Array, turn: Array | float) -> Array:
  """Turns the hue by a part of the circle; saturation and value stay."""
  if x.shape[1] == 1:
    return x
  high = jnp.max(x, 1, keepdims=True)
  spread = high - jnp.min(x, 1, keepdims=True)
  hue = _hue(x, spread) + 6 * turn

  def channel(ahead):  # in sixths of the circle
    place = hue + ahead
    place -= 6 * jnp.floor(place / 6)
    return high - spread * jnp.clip(jnp.minimum(place, 4 - place), 0, 1)

  return jnp.concatenate([channel(5), channel(3), channel(1)], 1)


def _hue(x: Array, spread: Array) -> Array:
  """Returns the hue in sixths of the circle (b, 1, h, w); 0 for greys."""
  r, g, b = _split(x)
  safe = jnp.where(spread > 0, spread, 1)
  # Which is largest, by order: XLA may compute `high` anew, rounded otherwise,
  # so that it equals none. At a tie both give the same hue.
  hue = jnp.where(
    (r >= g) & (r >= b),
    (g - b) / safe,
    jnp.where(g >= b, (b - r) / safe + 2, (r - g) / safe + 4),
  )
  return jnp.where(spread > 0, hue, 0)


def _split(x: Array) -> tuple[Array, Array, Array]:
  return x[:, 0:1], x[:, 1:2], x[:, 2:3]
