"""How far images are apart by the maps that a trained net makes of them."""

from collections.abc import Mapping

import jax.numpy as jnp

from vision_jax.core.types import Array


def perceptual_distance(
  first: Mapping[str, Array], second: Mapping[str, Array]
) -> Array:
  """Returns distances (b,) of images by maps (b, h, w, c), float32.

  At each place of a map both vectors of channels get length 1; their squared
  distances are averaged over places and added over maps. As LPIPS
  (Zhang et al., arXiv 1801.03924) without its learned weights of channels.

  Args:
    first: maps by name, of one image each.
    second: likewise, of the same names.
  """
  distances = [
    jnp.sum((_unit(first[name]) - _unit(second[name])) ** 2, -1).mean((1, 2))
    for name in first
  ]
  return sum(distances)


def _unit(x: Array) -> Array:
  x = x.astype(jnp.float32)
  # Not 1 / (length + epsilon), whose gradient at 0 is no number.
  square = jnp.sum(x * x, -1, keepdims=True)
  return x / jnp.sqrt(square + 1e-10)
