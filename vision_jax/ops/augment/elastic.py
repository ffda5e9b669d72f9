"""Elastic distortion: every pixel is moved a little, neighbours alike."""

import jax
import jax.numpy as jnp
import numpy as np

from vision_jax.core.types import Array, Augment
from vision_jax.errors import UserError
from vision_jax.ops.augment.keys import example_keys
from vision_jax.ops.augment.resample import linear

REACH = 4  # deviations of the Gaussian that are computed, as in scipy


def random_elastic(
  alpha: float = 34.0, sigma: float = 4.0, *, fill: float = 0.0
) -> Augment:
  """Moves pixels by a smooth random field (Simard et al., 2003).

  A pixel's move, of y and of x, is uniform in (-1, 1), smoothed by a Gaussian
  with zeros around the image, times `alpha`. Pixels are interpolated between
  four.

  Args:
    alpha: how far, in pixels before smoothing; 0 changes nothing. The paper's
      is 34 for digits of 28 x 28.
    sigma: standard deviation of the Gaussian, in pixels.
    fill: what comes in at the sides.
  """
  if alpha < 0 or sigma <= 0:
    raise UserError(
      f"random_elastic: got alpha={alpha}, sigma={sigma}; expected alpha >= 0 "
      "and sigma > 0."
    )

  def augment(batch, key):
    image = batch["image"]
    placed = {"target", "instances", "boxes"} & set(batch)
    if placed or image.ndim != 4:
      raise UserError(
        f"random_elastic: got a batch with {sorted(batch)}; expected images "
        "(b, h, w, c) and labels: what else lies in them would not move."
      )
    h, w = image.shape[1:3]
    draw = lambda k: jax.random.uniform(k, (2, h, w), jnp.float32, -1, 1)
    field = jax.vmap(draw)(example_keys(batch, key))
    places = alpha * smoothed(field, sigma) + jnp.indices((h, w))
    moved = jax.vmap(lambda x, p: linear(x, jnp.moveaxis(p, 0, -1), fill))(
      image.astype(jnp.float32), places
    )
    if jnp.issubdtype(image.dtype, jnp.integer):
      moved = jnp.round(moved)
    return batch | {"image": moved.astype(image.dtype)}

  return augment


def smoothed(x: Array, sigma: float) -> Array:
  """Returns x (..., h, w) after a Gaussian filter, with zeros around it."""
  rows, columns = (_gaussian(n, sigma) for n in x.shape[-2:])
  product = lambda a, b: jnp.matmul(a, b, precision="highest")
  return product(product(rows, x), columns.T)


def _gaussian(n: int, sigma: float) -> np.ndarray:
  """The filter of a side as a matrix (n, n)."""
  reach = int(REACH * sigma + 0.5)
  weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
  weights /= weights.sum()
  away = np.arange(n)[None] - np.arange(n)[:, None]
  inside = np.abs(away) <= reach
  matrix = np.where(inside, weights[np.clip(away, -reach, reach) + reach], 0)
  return matrix.astype(np.float32)
