"""Positions of image patches: fixed sines, learned tables, and their resize."""

import jax
import jax.numpy as jnp
import numpy as np

from vision_jax.core.types import Array
from vision_jax.errors import UserError


def sincos2d(
  grid: tuple[int, int], features: int, temperature: float = 10_000.0
) -> Array:
  """Sines and cosines of a grid's columns and rows, (h * w, features) float32.

  The first half of the features is of x, the second of y, each sines and then
  cosines (Chen et al., 2021, MoCo v3; the plain ViT of Beyer et al., 2022).

  Raises:
    UserError: if `features` is not a multiple of 4.
  """
  if features % 4:
    raise UserError(
      f"sincos2d: got {features} features; expected a multiple of 4, for the "
      "sine and the cosine of each axis."
    )
  h, w = grid
  omega = temperature ** -np.linspace(0, 1, features // 4)
  y, x = np.mgrid[:h, :w].reshape(2, -1, 1) * omega
  table = np.concatenate([np.sin(x), np.cos(x), np.sin(y), np.cos(y)], axis=1)
  return jnp.asarray(table, jnp.float32)


def resize_positions(
  table: Array,
  old: tuple[int, int],
  new: tuple[int, int],
  *,
  extra: int = 0,
  method: str = "linear",
) -> Array:
  """Interpolates a table of positions (extra + h * w, d) to another grid.

  For training or predicting at another resolution (Dosovitskiy et al., 2021,
  section 3.2). Shrinking is antialiased.

  Args:
    table: positions, in row-major order.
    old: (h, w) of the table's grid.
    new: (h, w) wanted.
    extra: leading rows that are no patches (a class token's); kept as they are.
    method: a method of `jax.image.resize`: "linear", "cubic", ...

  Raises:
    UserError: if the table does not have extra + h * w rows.
  """
  h, w = old
  if table.shape[0] != extra + h * w:
    raise UserError(
      f"resize_positions: got a table of {table.shape[0]} rows; expected "
      f"{extra} + {h} x {w} = {extra + h * w} for the grid {old}."
    )
  if tuple(old) == tuple(new):
    return table
  d = table.shape[1]
  patches = table[extra:].reshape(h, w, d)
  patches = jax.image.resize(patches, (*new, d), method, antialias=True)
  return jnp.concatenate([table[:extra], patches.reshape(-1, d)])
