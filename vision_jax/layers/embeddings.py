"""Positions of image patches: fixed sines, learned tables, and their resize."""

import jax
import jax.numpy as jnp
import numpy as np

from vision_jax.core.types import Array
from vision_jax.errors import UserError


def sincos2d(
  grid: tuple[int, int],
  features: int,
  temperature: float = 10_000.0,
  *,
  last: bool = True,
) -> Array:
  """Sines and cosines of a grid's columns and rows, (h * w, features) float32.

  The first half of the features is of x, the second of y, each sines and then
  cosines (Chen et al., 2021, MoCo v3; the plain ViT of Beyer et al., 2022).
  Where not `last`, the frequencies end before 1 / temperature (MAE, DiT).

  Raises:
    UserError: if `features` is not a multiple of 4.
  """
  if features % 4:
    raise UserError(
      f"sincos2d: got {features} features; expected a multiple of 4, for the "
      "sine and the cosine of each axis."
    )
  h, w = grid
  omega = temperature ** -np.linspace(0, 1, features // 4, endpoint=last)
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
  section 3.2). Shrinking is antialiased but by "cubic_aliased".

  Args:
    table: positions, in row-major order.
    old: (h, w) of the table's grid.
    new: (h, w) wanted.
    extra: leading rows that are no patches (a class token's); kept as they are.
    method: "linear" and others of `jax.image.resize`, of which "cubic" (a of
      -0.5) is timm's and DINOv2's with registers; or "cubic_aliased" (a of
      -0.75), DINOv2's without them.

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
  if method == "cubic_aliased":
    rows, columns = (
      cubic_weights(*pair) for pair in zip(old, new, strict=True)
    )
    patches = jnp.einsum("hy,wx,yxd->hwd", rows, columns, patches)
  else:
    patches = jax.image.resize(patches, (*new, d), method, antialias=True)
  return jnp.concatenate([table[:extra], patches.reshape(-1, d)])


def cubic_weights(old: int, new: int, a: float = -0.75) -> np.ndarray:
  """Returns (new, old): cubic interpolation between pixels' middles, float32.

  Keys (1981), with edges repeated and no antialiasing, as torch and OpenCV do
  it with an a of -0.75.
  """
  middle = (np.arange(new) + 0.5) * old / new - 0.5
  weights = np.zeros((new, old), np.float32)
  for step in (-1, 0, 1, 2):
    at = np.floor(middle) + step
    x = np.abs(middle - at)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = a * (((x - 5) * x + 8) * x - 4)
    index = np.clip(at, 0, old - 1).astype(int)
    np.add.at(weights, (np.arange(new), index), np.where(x <= 1, near, far))
  return weights
