"""Log-likelihoods of pixels in [0, 1], in nats, and a latent's divergence.

A likelihood says how many numbers a decoder gives for each value (`outputs`),
the log-probability of a value, and the value expected.
"""

import dataclasses
import math
from typing import ClassVar

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array
from vision_jax.errors import UserError

_LOG_2PI = math.log(2 * math.pi)
# Scales below e^-7 of the range are narrower than any bin of 256.
_MIN_LOG_SCALE = -7.0


@dataclasses.dataclass(frozen=True)
class Bernoulli:
  """Probabilities of binary pixels; a decoder gives logits."""

  outputs: ClassVar[int] = 1
  kind: ClassVar[str] = "binary"

  def log_prob(self, out: Array, x: Array) -> Array:
    """Log probability of x (..., c) in {0, 1} by logits `out` (..., c)."""
    return bernoulli(out, x)

  def mean(self, out: Array) -> Array:
    """The probability of 1."""
    return jax.nn.sigmoid(out)


@dataclasses.dataclass(frozen=True)
class Gaussian:
  """Densities of real pixels.

  Attributes:
    sd: standard deviation of every value; None lets the decoder give its log.
  """

  sd: float | None = None
  kind: ClassVar[str] = "density"

  def __post_init__(self):
    if self.sd is not None and not self.sd > 0:
      raise UserError(f"sd: got {self.sd}; expected > 0, or None.")

  @property
  def outputs(self) -> int:
    """Numbers a value: the mean, and the log deviation where it is learned."""
    return 1 if self.sd else 2

  def log_prob(self, out: Array, x: Array) -> Array:
    """Log probability of x (..., c) by `out` (..., outputs * c)."""
    if self.sd:
      return gaussian(out, math.log(self.sd), x)
    mean, log_sd = jnp.split(out, 2, -1)
    return gaussian(mean, jnp.maximum(log_sd, _MIN_LOG_SCALE), x)

  def mean(self, out: Array) -> Array:
    """The expected value."""
    return out[..., : out.shape[-1] // self.outputs]


@dataclasses.dataclass(frozen=True)
class DiscretisedLogistic:
  """Probabilities of pixels of so many levels: arxiv.org/abs/1606.04934.

  Attributes:
    levels: 0, 1 / (levels - 1), ..., 1.
  """

  levels: int = 256
  outputs: ClassVar[int] = 2
  kind: ClassVar[str] = "levels"

  def __post_init__(self):
    if self.levels < 2:
      raise UserError(f"levels: got {self.levels}; expected at least 2.")

  def log_prob(self, out: Array, x: Array) -> Array:
    """Log probability of x (..., c) by means and log scales (..., 2c)."""
    mean, log_scale = jnp.split(out, 2, -1)
    log_scale = jnp.maximum(log_scale, _MIN_LOG_SCALE)
    return discretised_logistic(mean, log_scale, x, self.levels)

  def mean(self, out: Array) -> Array:
    """The middle of the distribution, in [0, 1]."""
    return jnp.clip(out[..., : out.shape[-1] // 2], 0, 1)


Likelihood = Bernoulli | Gaussian | DiscretisedLogistic


def bernoulli(logits: Array, x: Array) -> Array:
  """Log-probability of x in {0, 1}, elementwise."""
  return x * logits - jax.nn.softplus(logits)


def gaussian(mean: Array, log_sd: Array | float, x: Array) -> Array:
  """Log-density of x by a mean and a log standard deviation, elementwise."""
  standard = (x - mean) * jnp.exp(-log_sd)
  return -0.5 * (standard**2 + _LOG_2PI) - log_sd


def discretised_logistic(
  mean: Array, log_scale: Array, x: Array, levels: int = 256
) -> Array:
  """Log-probability of x on equal levels of [0, 1], elementwise.

  A level has the logistic distribution's mass within half a step of it, the
  first and the last one also all beyond.
  """
  half = 0.5 / (levels - 1)
  scale = jnp.exp(-log_scale)
  upper, lower = (x - mean + half) * scale, (x - mean - half) * scale
  # log(sigmoid(u) - sigmoid(l)), written so that nothing cancels: the factor
  # is 1 - e^(l - u), and a bin's width in scales is never 0.
  width = 2 * half * scale
  inside = (
    jax.nn.log_sigmoid(upper)
    + jax.nn.log_sigmoid(-lower)
    + jnp.log(-jnp.expm1(-width))
  )
  first, last = x < half, x > 1 - half
  ends = jnp.where(first, jax.nn.log_sigmoid(upper), jax.nn.log_sigmoid(-lower))
  return jnp.where(first | last, ends, inside)


def standard_normal(z: Array) -> Array:
  """Log-density of z by the standard normal distribution, elementwise."""
  return -0.5 * (z**2 + _LOG_2PI)


def normal_divergence(mean: Array, log_sd: Array) -> Array:
  """KL divergence of N(mean, sd²) from the standard normal, elementwise."""
  return 0.5 * (mean**2 + jnp.exp(2 * log_sd) - 1) - log_sd
