"""What the tasks that draw images share."""

import math

import jax.numpy as jnp

from vision_jax.core.types import Array, Batch
from vision_jax.errors import UserError
from vision_jax.ops.augment.keys import example_keys
from vision_jax.ops.diffusion.noise import normals

FAR = 3.0  # deviations, that a traversal of a code's value goes to
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
  batch: Batch,
  key: Array,
  size: int,
  *,
  number: int = 0,
  interpolate: int = 0,
  traverse: int = 0,
) -> Array:
  """Draws z (b, size), standard normal, one for each `index` of the batch.

  With `interpolate` n the images with index 0 ... n - 1 go from the first draw
  to the second, the next n from the second to the third, and so on, on arcs
  whose every point is standard normal.

  With `traverse` n all images have the first draw, of which in the first n its
  first value goes from -3 to 3, in the next n its second, and so on.

  Args:
    batch: the batch; it has `index`.
    key: a z depends on it and on its index alone.
    size: number of values of a z.
    number: which draw it is, where a task has several.
    interpolate: n, at least 2; 0 draws each anew.
    traverse: n, at least 2; 0 draws each anew.

  Raises:
    UserError: for one of them that is 1 or below 0, or both.
  """
  given = {"interpolate": interpolate, "traverse": traverse}
  given = {name: n for name, n in given.items() if n}
  if not given:
    return normals(example_keys(batch, key), number, (size,))
  if len(given) > 1 or min(given.values()) < 2:
    raise UserError(
      f"{', '.join(given)}: got {', '.join(map(str, given.values()))}; "
      "expected at least 2 images of a row, and one of these alone."
    )
  if traverse:
    keys = example_keys({"index": jnp.zeros_like(batch["index"])}, key)
    row, place = jnp.divmod(batch["index"], traverse)
    value = FAR * (2 * place.astype(jnp.float32) / (traverse - 1) - 1)
    moved = (row % size)[:, None] == jnp.arange(size)
    return jnp.where(moved, value[:, None], normals(keys, number, (size,)))
  row, place = jnp.divmod(batch["index"], interpolate)
  ends = [example_keys({"index": row + i}, key) for i in (0, 1)]
  first, second = (normals(keys, number, (size,)) for keys in ends)
  angle = (math.pi / 2 / (interpolate - 1) * place.astype(jnp.float32))[:, None]
  return jnp.cos(angle) * first + jnp.sin(angle) * second
