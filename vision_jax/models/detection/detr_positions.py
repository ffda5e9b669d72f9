"""Where DETR's tokens and queries are: masks, sines, anchors, shifts."""

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array
from vision_jax.errors import UserError

EPSILON = 1e-4  # keeps the logit of a box's coordinate finite


def sine_positions(mask: Array, features: int, within: float = 0.0) -> Array:
  """Sines of rows, then columns, (b, h, w, features) float32.

  Coordinates count the pixels that are not padding, and end at 2π in each
  image: Carion et al. (2020).

  Args:
    mask: (b, h, w), 0 for padding.
    features: d, a multiple of 4.
    within: how far before its end a pixel is; 0.5 for its centre.
  """
  mask = mask.astype(jnp.float32)
  y, x = jnp.cumsum(mask, axis=1), jnp.cumsum(mask, axis=2)
  y = (y - within) / (y[:, -1:, :] + 1e-6)
  x = (x - within) / (x[:, :, -1:] + 1e-6)
  return sine_of_points(jnp.stack([x, y], -1), features)


def sine_of_points(points: Array, features: int) -> Array:
  """Sines of points (..., 2) x, y in [0, 1] to (..., features): y's first.

  The same function as the image's positions, so that a query at a point looks
  like the token there.
  """
  if features % 4:
    raise UserError(
      f"positions: got {features} features; expected a multiple of 4, for the "
      "sine and the cosine of each axis."
    )
  half = features // 2
  omega = 10_000.0 ** (-2 * jnp.arange(half // 2, dtype=jnp.float32) / half)
  angles = points[..., None] * (2 * jnp.pi) * omega
  # Sine and cosine alternate.
  waves = jnp.stack([jnp.sin(angles), jnp.cos(angles)], -1)
  waves = waves.reshape(*points.shape, half)
  return jnp.concatenate([waves[..., 1, :], waves[..., 0, :]], -1)


def sine_of_boxes(boxes: Array, features: int) -> Array:
  """Sines of boxes (..., 4) cxcywh: centre's, then size's, (..., 2 features).

  Of each, y's come first.
  """
  half = lambda points: sine_of_points(points, features)
  return jnp.concatenate([half(boxes[..., :2]), half(boxes[..., 2:])], -1)


def resize_mask(mask: Array, size: tuple[int, int]) -> Array:
  """Takes the nearest of the values (b, h, w) above each place of `size`."""
  rows, columns = (
    jnp.arange(new) * old // new
    for old, new in zip(mask.shape[1:], size, strict=True)
  )
  return mask[:, rows][:, :, columns]


def anchor_boxes(mask: Array) -> Array:
  """A box around each pixel of `mask` (b, h, w): (b, h, w, 4) cxcywh.

  Coordinates are fractions of the part that is not padding. Sizes are four
  pixels, a box that such a pixel's surroundings can show.
  """
  y = jnp.cumsum(mask, axis=1) - 0.5
  x = jnp.cumsum(mask, axis=2) - 0.5
  h = jnp.maximum(jnp.sum(mask, 1, keepdims=True), 1)
  w = jnp.maximum(jnp.sum(mask, 2, keepdims=True), 1)
  size = lambda n: jnp.broadcast_to(jnp.minimum(4 / n, 0.5), y.shape)
  return jnp.stack([x / w, y / h, size(w), size(h)], -1)


def shift_boxes(delta: Array, boxes: Array, epsilon: float = EPSILON) -> Array:
  """Moves boxes (..., 4) in [0, 1] by `delta` of their logits.

  A coordinate counts as `epsilon` away from 0 and 1 at least.
  """
  boxes = jnp.clip(boxes, epsilon, 1 - epsilon)
  logit = jnp.log(boxes) - jnp.log1p(-boxes)
  return jax.nn.sigmoid(delta.astype(jnp.float32) + logit)
