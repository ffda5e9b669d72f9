"""The nearest of many vectors, exactly, a block of them at a time."""

import jax
import jax.numpy as jnp
import numpy as np

from vision_jax.core.types import Array

BLOCK = 8192  # vectors that are on the device at once


def nearest(
  queries: np.ndarray, gallery: np.ndarray, number: int, block: int = BLOCK
) -> tuple[np.ndarray, np.ndarray]:
  """Returns cosines and positions (q, number) of the nearest, falling.

  All are compared, on the device. Of equally near ones the first is nearer.

  Args:
    queries: (q, d).
    gallery: (n, d), n >= number.
    number: how many of each.
    block: how many of the gallery are compared at once.
  """
  assert number <= len(gallery), "fewer than are asked for"
  block, near = min(block, len(gallery)), _unit(queries)
  best = np.full((len(queries), number), -np.inf, np.float32)
  place = np.zeros((len(queries), number), np.int32)
  for start in range(0, len(gallery), block):
    part = _unit(gallery[start : start + block])
    count = len(part)
    part = np.pad(part, ((0, block - count), (0, 0)))
    best, place = _merged(near, part, start, count, best, place)
  return np.asarray(best), np.asarray(place)


@jax.jit
def _merged(
  queries: Array, part: Array, start: int, count: int, best: Array, place: Array
) -> tuple[Array, Array]:
  """Returns the nearest of those known and of a block's first `count`."""
  cosine = jnp.matmul(queries, part.T, precision="highest")
  column = jnp.arange(part.shape[0], dtype=jnp.int32)
  cosine = jnp.where(column < count, cosine, -jnp.inf)
  places = jnp.broadcast_to(start + column, cosine.shape)
  both = jnp.concatenate([best, cosine], 1)  # known ones first: they win ties
  found, rank = jax.lax.top_k(both, best.shape[1])
  every = jnp.concatenate([place, places], 1)
  return found, jnp.take_along_axis(every, rank, 1)


def _unit(x: np.ndarray) -> np.ndarray:
  x = np.asarray(x, np.float32)
  return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
