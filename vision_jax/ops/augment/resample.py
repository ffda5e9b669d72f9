"""Where a window's pixels lie in an image, and what is seen there."""

from collections.abc import Sequence

import jax.numpy as jnp

from vision_jax.core.types import Array

Size = Array | Sequence[float]  # (h, w)


def centre_of(
  whole: Size,
  window: Size,
  zoom: Array,
  draw: Array,
  shift: Array | None = None,
) -> Array:
  """Where in the image the window's middle lies, (2,) y, x in pixels.

  The window lies within the enlarged image where it fits, else around it.

  Args:
    whole: (h, w) of the image.
    window: (h, w) of the window.
    zoom: enlargement, or (2,) of y and x.
    draw: (2,) in [0, 1), the place.
    shift: (2,) how far the image moves then, in parts of its sides.
  """
  whole = jnp.asarray(whole, jnp.float32)
  extent = jnp.asarray(window, jnp.float32) / zoom
  centre = whole / 2 + (draw - 0.5) * jnp.abs(whole - extent)
  return centre if shift is None else centre - shift * whole


def places_of(
  whole: Size,
  window: Size,
  zoom: Array,
  angle: Array,
  draw: Array,
  *,
  shift: Array | None = None,
  shape: Sequence[int] | None = None,
) -> Array:
  """Where in the image each pixel of the window lies: (h, w, 2) y, x.

  Args:
    whole, window, zoom, draw, shift: see `centre_of`.
    angle: radians, counter-clockwise.
    shape: (h, w) pixels from the window's first on; None for all of it.
  """
  centre = centre_of(whole, window, zoom, draw, shift)
  spans = zip(shape or window, window, strict=True)
  y, x = jnp.meshgrid(
    *(jnp.arange(n) + 0.5 - side / 2 for n, side in spans), indexing="ij"
  )
  zoom_y, zoom_x = zoom if jnp.ndim(zoom) else (zoom, zoom)
  sin, cos = jnp.sin(angle), jnp.cos(angle)
  turned_y = cos / zoom_y * y + sin / zoom_y * x
  turned_x = cos / zoom_x * x - sin / zoom_x * y
  return centre + jnp.stack([turned_y, turned_x], -1) - 0.5


def linear(
  image: Array, places: Array, fill: float, whole: Size | None = None
) -> Array:
  """Interpolates image (h, w, c) at places (h', w', 2).

  Args:
    image: of any number of channels.
    places: see `places_of`.
    fill: what lies outside it.
    whole: (h, w) of the image, where the rest of it is padding.
  """
  low = jnp.floor(places)
  part = places - low
  low = low.astype(jnp.int32)
  total = 0.0
  for i in (0, 1):
    for j in (0, 1):
      y, x = low[..., 0] + i, low[..., 1] + j
      weight = jnp.abs(1 - i - part[..., 0]) * jnp.abs(1 - j - part[..., 1])
      total += weight[..., None] * _at(image, y, x, fill, whole)
  return total


def nearest(target: Array, places: Array, ignore: int) -> Array:
  """Returns target (h, w) at places (h', w', 2); `ignore` outside it."""
  y, x = jnp.moveaxis(jnp.floor(places + 0.5).astype(jnp.int32), -1, 0)
  return _at(target, y, x, ignore)


def _at(x, row, column, fill, whole=None):
  """Returns x[row, column], `fill` where that is outside."""
  h, w = x.shape[:2]
  rows, columns = (h, w) if whole is None else whole
  inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
  flat = x.reshape(h * w, *x.shape[2:])
  place = jnp.clip(row, 0, h - 1) * w + jnp.clip(column, 0, w - 1)
  found = jnp.take(flat, place, axis=0, mode="clip")
  inside = inside.reshape(*inside.shape, *[1] * (found.ndim - 2))
  return jnp.where(inside, found, jnp.asarray(fill, x.dtype))
