"""Moments of a map's channels, and maps that take on those of others."""

import jax.numpy as jnp

from vision_jax.core.types import Array

EPSILON = 1e-5  # added to variances


def moments(x: Array) -> tuple[Array, Array]:
  """Returns means and deviations (b, 1, 1, c) over places of x (b, h, w, c).

  In float32; the deviation is sqrt(variance + 1e-5), of the mean square.
  """
  x = x.astype(jnp.float32)
  mean = x.mean((1, 2), keepdims=True)
  variance = jnp.square(x - mean).mean((1, 2), keepdims=True)
  return mean, jnp.sqrt(variance + EPSILON)


def adain(content: Array, style: Array) -> Array:
  """Gives each channel of a content the mean and deviation of a style's.

  Adaptive instance normalization (Huang and Belongie, 2017,
  arxiv.org/abs/1703.06868, equation 8), float32.

  Args:
    content: (b, h, w, c).
    style: (b or 1, h', w', c).
  """
  mean, deviation = moments(content)
  new_mean, new_deviation = moments(style)
  return (content - mean) / deviation * new_deviation + new_mean
