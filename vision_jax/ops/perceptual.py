"""How far images are apart by the maps that a trained net makes of them."""

from collections.abc import Mapping

import jax.numpy as jnp

from vision_jax.core.types import Array


def perceptual_distance(
  first: Mapping[str, Array],
  second: Mapping[str, Array],
  weights: Mapping[str, Array] | None = None,
) -> Array:
  """Returns distances (b,) of images by maps (b, h, w, c), float32.

  At each place of a map both vectors of channels get length 1; their squared
  distances are averaged over places and added over maps. As LPIPS
  (Zhang et al., arXiv 1801.03924), which has learned weights of channels.

  Args:
    first: maps by name, of one image each.
    second: likewise, of the same names.
    weights: of channels (c,) by name, as LPIPS has them; None is 1 for each.
  """
  distances = []
  for name in first:
    square = (_unit(first[name]) - _unit(second[name])) ** 2
    if weights is not None:
      square *= weights[name]
    distances.append(jnp.sum(square, -1).mean((1, 2)))
  return sum(distances)


def _unit(x: Array) -> Array:
  x = x.astype(jnp.float32)
  # Not 1 / (length + epsilon), whose gradient at 0 is no number.
  square = jnp.sum(x * x, -1, keepdims=True)
  return x / jnp.sqrt(square + 1e-10)
