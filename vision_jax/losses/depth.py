"""Losses of depth: a value for each image, (b,)."""

import jax.numpy as jnp

from vision_jax.core.types import Array
from vision_jax.ops.depth import known_depth


def scale_invariant_log(
  log_found: Array, depth: Array, balance: float = 0.5
) -> tuple[Array, Array]:
  """Mean of d² less `balance` times the square of d's mean, d = log a - log b.

  Eigen et al. (2014), arxiv.org/abs/1406.2283, equation 4: with balance 1 an
  image's scale costs nothing, with 0 it is the mean squared error of logs. Over
  the pixels that have a depth.

  Args:
    log_found: (b, h, w) logarithms of predicted depth.
    depth: (b, h, w) in the same unit; see `known_depth` for where it counts.
    balance: in [0, 1], 0.5 as published.

  Returns:
    Losses (b,), 0 where no pixel counts, and whether one does, (b,) of 0 and 1.
  """
  known = known_depth(depth, log_found)
  log_depth = jnp.log(jnp.where(known, depth, 1).astype(jnp.float32))
  error = jnp.where(known, log_found.astype(jnp.float32) - log_depth, 0)
  number = jnp.sum(known, (1, 2), dtype=jnp.float32)
  mean = lambda x: jnp.sum(x, (1, 2)) / jnp.maximum(number, 1)
  loss = mean(error**2) - balance * mean(error) ** 2
  return loss, (number > 0).astype(jnp.float32)
