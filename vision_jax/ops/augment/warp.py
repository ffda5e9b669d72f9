"""Affine maps of images by the nearest pixel, as Pillow's `transform`."""

import math

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array

# (a, b, c, d, e, f): the output's pixel centre (x, y) shows the input at
# (a x + b y + c, d x + e y + f).
Matrix = tuple[float, float, float, float, float, float]
IDENTITY: Matrix = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def rotation(degrees: float, h: int, w: int) -> Matrix:
  """Counter-clockwise around the image's centre."""
  cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
  x, y = w / 2, h / 2
  return (cos, -sin, x - cos * x + sin * y, sin, cos, y - sin * x - cos * y)


def affine(image: Array, matrix: Array, fill: float) -> Array:
  """Maps the planes of each image (b, c, h, w) by its matrix (b, 6).

  Args:
    image: any type.
    matrix: see `Matrix`, in pixels.
    fill: what is seen outside the image.
  """
  b, c, h, w = image.shape
  x, y = jnp.arange(w) + 0.5, (jnp.arange(h) + 0.5)[:, None]
  m = [matrix[:, i, None, None] for i in range(6)]
  column = jnp.floor(m[0] * x + m[1] * y + m[2]).astype(jnp.int32)
  row = jnp.floor(m[3] * x + m[4] * y + m[5]).astype(jnp.int32)
  inside = (column >= 0) & (column < w) & (row >= 0) & (row < h)
  # What is outside lies after the last pixel, so that nothing follows the
  # gather, which XLA would do again for each of its uses.
  place = jnp.where(inside, row * w + column, h * w).reshape(b, h * w)
  outside = jnp.full((b, c, 1), fill, image.dtype)
  pixels = jnp.concatenate([image.reshape(b, c, h * w), outside], -1)
  get = lambda flat, i: flat.at[:, i].get(mode="promise_in_bounds")
  return jax.vmap(get)(pixels, place).reshape(image.shape)
