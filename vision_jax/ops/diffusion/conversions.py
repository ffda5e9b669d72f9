"""What a net predicts on any path, and the image and the noise it means.

Each kind is A x0 + B eps, with x = alpha x0 + sigma eps:

  x0        the image
  eps       the noise
  v         alpha eps - sigma x0, https://arxiv.org/abs/2202.00512
  velocity  dx / dt along the path
  score     the gradient of the log density of x given x0, -eps / sigma
  edm       EDM's F, of unit variance where images have `spread`,
            https://arxiv.org/abs/2206.00364
"""

import jax.numpy as jnp

from vision_jax.core.checks import check_name
from vision_jax.core.types import Array
from vision_jax.ops.diffusion.paths import Levels

CONVERTED = ("velocity", "x0", "eps", "v", "score", "edm")
SPREAD = 0.5  # EDM's standard deviation of images in [-1, 1]


def prediction(
  kind: str, x0: Array, eps: Array, levels: Levels, spread: float = SPREAD
) -> Array:
  """Returns what a net of this kind should predict of x0 and eps (b, ...)."""
  of_x0, of_eps = _parts(kind, levels, spread)
  return of_x0 * x0 + of_eps * eps


def parted(
  kind: str, out: Array, x: Array, levels: Levels, spread: float = SPREAD
) -> tuple[Array, Array]:
  """Returns the image and the noise that prediction `out` at x means.

  Where alpha is 0 the image does not follow from "eps" or "score", and where
  sigma is 0 the noise not from "x0": they are infinite.
  """
  alpha, sigma = levels.alpha, levels.sigma
  of_x0, of_eps = _parts(kind, levels, spread)
  both = sigma * of_x0 - alpha * of_eps
  return (sigma * out - of_eps * x) / both, (of_x0 * x - alpha * out) / both


def input_scale(kind: str, levels: Levels, spread: float = SPREAD) -> Array:
  """Returns the factor of x that a net of this kind sees: EDM's c_in, or 1."""
  if kind == "edm":
    return 1 / _deviation(levels, spread)
  return jnp.ones_like(levels.alpha)


def _parts(kind: str, levels: Levels, spread: float) -> tuple[Array, Array]:
  """A and B, (b, 1, ...)."""
  check_name("prediction", kind, CONVERTED)
  alpha, sigma, alpha_rate, sigma_rate = levels
  one, zero = jnp.ones_like(alpha), jnp.zeros_like(alpha)
  if kind == "edm":
    total = _deviation(levels, spread)
    return sigma / (spread * total), -spread * alpha / total
  return {
    "x0": lambda: (one, zero),
    "eps": lambda: (zero, one),
    "v": lambda: (-sigma, alpha),
    "velocity": lambda: (alpha_rate, sigma_rate),
    "score": lambda: (zero, -1 / sigma),
  }[kind]()


def _deviation(levels: Levels, spread: float) -> Array:
  """The standard deviation of x where that of images is `spread`."""
  return jnp.sqrt(levels.sigma**2 + (spread * levels.alpha) ** 2)
