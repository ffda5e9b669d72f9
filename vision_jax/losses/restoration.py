"""Losses of restored images: a mean over each image's pixels and channels."""

import jax.numpy as jnp

from vision_jax.core.types import Array

EPSILON = 1e-3  # of Charbonnier's loss: where it begins to be an absolute value


def l1(image: Array, clean: Array) -> Array:
  """Mean absolute error of images (b, h, w, c): (b,)."""
  return jnp.mean(jnp.abs(image - clean), (1, 2, 3))


def l2(image: Array, clean: Array) -> Array:
  """Mean squared error of images (b, h, w, c): (b,)."""
  return jnp.mean((image - clean) ** 2, (1, 2, 3))


def charbonnier(image: Array, clean: Array) -> Array:
  """Mean of sqrt(error² + epsilon²) of images (b, h, w, c): (b,).

  Lai et al. (2017), arxiv.org/abs/1704.03915.
  """
  return jnp.mean(jnp.sqrt((image - clean) ** 2 + EPSILON**2), (1, 2, 3))


LOSSES = {"l1": l1, "l2": l2, "charbonnier": charbonnier}
