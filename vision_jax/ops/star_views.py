"""Star-convex polygons of an image and its mirror images, averaged."""

import itertools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from vision_jax.core.types import Array

Parts = Callable[[Array], tuple[Array, Array]]


def mirrored(parts: Parts, image: Array, grid: int) -> tuple[Array, Array]:
  """Returns probs (b, h', w') and distances (b, h', w', r), each a mean of 4.

  Of the image as it is, and mirrored left to right, top to bottom, and both. A
  mirrored side ends on a place of the grid: its last pixel is repeated until it
  does, so that all views have the same places.

  Args:
    parts: image -> logits, and distances along rays as `directions` has them,
      at the first of every `grid` rows and columns.
    image: (b, h, w, c).
    grid: of every so many rows and columns the first is a place.
  """
  both = itertools.product((False, True), repeat=2)
  seen = [_seen(parts, image, grid, rows, columns) for rows, columns in both]
  probs, distances = zip(*seen, strict=True)
  return sum(probs) / len(seen), sum(distances) / len(seen)


def _seen(
  parts: Parts, image: Array, grid: int, rows: bool, columns: bool
) -> tuple[Array, Array]:
  """Returns what a mirror image shows, at the places of the image."""
  turned = [axis for axis, on in ((1, rows), (2, columns)) if on]
  more = [
    (1 - n) % grid if i in turned else 0 for i, n in enumerate(image.shape)
  ]
  longer = jnp.pad(image, [(0, n) for n in more], mode="edge")
  logits, distances = parts(jnp.flip(longer, turned))
  r = distances.shape[-1]
  ray = np.arange(r)  # by its angle: 0 to the right, a quarter downwards
  ray = (r // 2 - ray) % r if columns else ray
  ray = -ray % r if rows else ray
  h, w = (-(-n // grid) for n in image.shape[1:3])
  back = lambda x: jnp.flip(x, turned)[:, :h, :w]
  return jax.nn.sigmoid(back(logits)), back(distances)[..., ray]
