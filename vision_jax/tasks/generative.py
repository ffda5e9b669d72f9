"""What the tasks that draw images share."""

import math

import jax.numpy as jnp

from vision_jax.core.types import Array, Batch
from vision_jax.errors import UserError
from vision_jax.ops.augment.keys import example_keys
from vision_jax.ops.diffusion.noise import normals

UNIT, SIGNED = (0.0, 1.0), (-1.0, 1.0)


def outside(image: Array, value_range: tuple[float, float]) -> Array:
  """Returns the share of an image's values outside the range, (b,)."""
  low, high = value_range
  bad = (image < low - 1e-4) | (image > high + 1e-4)
  return jnp.mean(bad.astype(jnp.float32), axis=tuple(range(1, image.ndim)))


def dequantised(image: Array, noise: Array, bins: int = 256) -> Array:
  """Returns values of [0, 1]: levels of an image in [0, 1], with noise.

  Args:
    image: of `bins` levels, 0, 1 / (bins - 1), ..., 1.
    noise: uniform in [0, 1), in the image's shape: a level is the `bins`-th
      part of [0, 1] that it stands for.
    bins: number of levels.
  """
  return (jnp.round(image * (bins - 1)) + noise) / bins


def latents(
  batch: Batch, key: Array, size: int, *, number: int = 0, interpolate: int = 0
) -> Array:
  """Draws z (b, size), standard normal, one for each `index` of the batch.

  With `interpolate` n the images with index 0 ... n - 1 go from the first draw
  to the second, the next n from the second to the third, and so on, on arcs
  whose every point is standard normal.

  Args:
    batch: the batch; it has `index`.
    key: a z depends on it and on its index alone.
    size: number of values of a z.
    number: which draw it is, where a task has several.
    interpolate: n, at least 2; 0 draws each anew.

  Raises:
    UserError: for an `interpolate` of 1 or below 0.
  """
  if not interpolate:
    return normals(example_keys(batch, key), number, (size,))
  if interpolate < 2:
    raise UserError(
      f"interpolate: got {interpolate}; expected at least 2 images from one "
      "draw to the next."
    )
  row, place = jnp.divmod(batch["index"], interpolate)
  ends = [example_keys({"index": row + i}, key) for i in (0, 1)]
  first, second = (normals(keys, number, (size,)) for keys in ends)
  angle = (math.pi / 2 / (interpolate - 1) * place.astype(jnp.float32))[:, None]
  return jnp.cos(angle) * first + jnp.sin(angle) * second
