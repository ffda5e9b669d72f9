"""Paths from images to noise in continuous time: how much of each there is.

A noisy image at time t is x_t = alpha(t) x0 + sigma(t) eps, with t from 0 (the
image) to 1 (noise). Formulas are the same in numpy, whose float64 samplers are
made of, and in jax, whose float32 a program computes with.
"""

import abc
import dataclasses
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vision_jax.core.checks import check_name
from vision_jax.core.types import Array

TIMES = 1000  # of a net's embedding, which is made for times up to as many


class Levels(NamedTuple):
  """A path at some times: factors, and how fast they change.

  Attributes:
    alpha: factor of the image.
    sigma: factor of the noise.
    alpha_rate: derivative of alpha by t.
    sigma_rate: derivative of sigma by t.
  """

  alpha: Array
  sigma: Array
  alpha_rate: Array
  sigma_rate: Array


class Path(abc.ABC):
  """Factors of image and noise at each time in [0, 1]."""

  @abc.abstractmethod
  def alpha(self, t: Array) -> Array:
    """Returns the factor of the image; it never grows with t."""

  @abc.abstractmethod
  def sigma(self, t: Array) -> Array:
    """Returns the factor of the noise; it grows with t."""

  @abc.abstractmethod
  def time(self, ratio: Array) -> Array:
    """Returns the t at which sigma / alpha is `ratio`."""

  def seen(self, t: Array) -> Array:
    """Returns what a net is told of t (b,)."""
    return TIMES * t

  def levels(self, t: Array, ndim: int = 4) -> Levels:
    """Returns the levels at t (b,), shaped (b, 1, ...) of `ndim` axes."""
    t = jnp.asarray(t, jnp.float32).reshape((-1,) + (1,) * (ndim - 1))
    one = jnp.ones_like(t)
    alpha, alpha_rate = jax.jvp(self.alpha, (t,), (one,))
    sigma, sigma_rate = jax.jvp(self.sigma, (t,), (one,))
    return Levels(alpha, sigma, alpha_rate, sigma_rate)


@dataclasses.dataclass(frozen=True)
class Rectified(Path):
  """A straight line, x_t = (1 - t) x0 + t eps: https://arxiv.org/abs/2209.03003.

  Also the path of flow matching, https://arxiv.org/abs/2210.02747, whose time
  runs the other way.
  """

  def alpha(self, t: Array) -> Array:
    """Returns 1 - t."""
    return 1 - t

  def sigma(self, t: Array) -> Array:
    """Returns t."""
    return t

  def time(self, ratio: Array) -> Array:
    """Returns ratio / (1 + ratio)."""
    return ratio / (1 + ratio)


@dataclasses.dataclass(frozen=True)
class VariancePreserving(Path):
  """DDPM's noise in continuous time: https://arxiv.org/abs/2011.13456, eq. 11.

  alpha² + sigma² = 1. Noise is added at rates on a line.

  Attributes:
    least: rate at t = 0, a thousand times the first of DDPM's betas.
    most: rate at t = 1.
  """

  least: float = 0.1
  most: float = 20.0

  def alpha(self, t: Array) -> Array:
    """Returns the square root of what is left of the image's variance."""
    return t.__array_namespace__().exp(-self._decay(t) / 2)

  def sigma(self, t: Array) -> Array:
    """Returns the square root of the variance of the noise."""
    xp = t.__array_namespace__()
    # Not 0, where the root has no derivative.
    return xp.sqrt(-xp.expm1(-xp.maximum(self._decay(t), 1e-12)))

  def time(self, ratio: Array) -> Array:
    """Returns the root of a quadratic equation."""
    xp, slope = ratio.__array_namespace__(), self.most - self.least
    decay = xp.log1p(ratio**2)
    return 2 * decay / (xp.sqrt(self.least**2 + 2 * slope * decay) + self.least)

  def _decay(self, t: Array) -> Array:
    return t * (self.least + t * (self.most - self.least) / 2)


@dataclasses.dataclass(frozen=True)
class Circular(Path):
  """A quarter of a circle: alpha is the cosine, sigma the sine of pi t / 2.

  Variance preserving: https://arxiv.org/abs/2209.15571, section 3.
  """

  def alpha(self, t: Array) -> Array:
    """Returns a sine, which unlike the cosine is 0 at the end in float64."""
    return t.__array_namespace__().sin(math.pi / 2 * (1 - t))

  def sigma(self, t: Array) -> Array:
    """Returns the sine."""
    return t.__array_namespace__().sin(math.pi / 2 * t)

  def time(self, ratio: Array) -> Array:
    """Returns the angle."""
    return 2 / math.pi * ratio.__array_namespace__().atan(ratio)


@dataclasses.dataclass(frozen=True)
class Exploding(Path):
  """EDM's: noise is added and nothing shrinks: https://arxiv.org/abs/2206.00364.

  Even times are levels spaced as the paper's sampler spaces them (eq. 5).

  Attributes:
    least: sigma at t = 0.
    most: sigma at t = 1.
    power: how much denser the levels are where there is little noise, rho.
  """

  least: float = 0.002
  most: float = 80.0
  power: float = 7.0

  def alpha(self, t: Array) -> Array:
    """Returns 1."""
    return t.__array_namespace__().ones_like(t)

  def sigma(self, t: Array) -> Array:
    """Returns the level: its root of order rho lies on a line."""
    low, high = self._ends
    return (low + t * (high - low)) ** self.power

  def time(self, ratio: Array) -> Array:
    """Returns the t of a level."""
    low, high = self._ends
    return (ratio ** (1 / self.power) - low) / (high - low)

  def seen(self, t: Array) -> Array:
    """Returns a quarter of the logarithm of sigma: the paper's table 1."""
    return jnp.log(self.sigma(t)) / 4

  @property
  def _ends(self) -> tuple[float, float]:
    return self.least ** (1 / self.power), self.most ** (1 / self.power)


PATHS: dict[str, Callable[[], Path]] = {
  "rectified": Rectified,
  "variance_preserving": VariancePreserving,
  "circular": Circular,
  "edm": Exploding,
}


def path(name: str) -> Path:
  """Returns a path of `PATHS` by name.

  Raises:
    UserError: for another name.
  """
  return PATHS[check_name("path", name, PATHS)]()


def host_levels(path: Path, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Returns alpha and sigma at t (n,), float64."""
  t = np.asarray(t, np.float64)
  return path.alpha(t), path.sigma(t)
