"""The variational bound of a diffusion model, in bits per dimension."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.ops.diffusion.noise import normals
from vision_jax.ops.diffusion.samplers import Denoiser
from vision_jax.ops.diffusion.schedules import Schedule

_BIN = 1 / 255  # half the distance of neighbouring pixel values in [-1, 1]


class Posterior(NamedTuple):
  """q(x_{t-1} | x_t, x0) and the variances of the model's step, (T,) each.

  Attributes:
    of_image: factor of x0 in the mean.
    of_noisy: factor of x_t in the mean.
    log_small: logarithm of the posterior's variance; at time 0, where it is
      zero, the next one's.
    log_beta: logarithm of beta, the upper end where the variance is learned.
    log_large: the same, but at time 0 that of the posterior.
  """

  of_image: np.ndarray
  of_noisy: np.ndarray
  log_small: np.ndarray
  log_beta: np.ndarray
  log_large: np.ndarray


def posterior(schedule: Schedule) -> Posterior:
  """Returns the posterior of each step: arxiv.org/abs/2006.11239, eq. 6-7."""
  bar, beta = schedule.alpha_bar, schedule.betas
  before = np.concatenate([[1.0], bar[:-1]])
  small = beta * (1 - before) / (1 - bar)
  small[0] = small[1] if len(small) > 1 else beta[0]
  return Posterior(
    of_image=np.sqrt(before) * beta / (1 - bar),
    of_noisy=np.sqrt(1 - beta) * (1 - before) / (1 - bar),
    log_small=np.log(small),
    log_beta=np.log(beta),
    log_large=np.log(np.append(small[:1], beta[1:])),
  )


def step_bits(
  schedule: Schedule,
  x0: Array,
  x: Array,
  t: Array,
  clean: Array,
  between: Array | None = None,
  *,
  variance: str = "large",
) -> Array:
  """Returns a step's term of the bound in bits per dimension, (b,).

  KL(q(x_{t-1} | x_t, x0) || p(x_{t-1} | x_t)) for t > 0, and -log p(x0 | x_0)
  by the discretised Gaussian at t = 0.

  Args:
    schedule: the levels.
    x0: images (b, ...), 8-bit values scaled to [-1, 1].
    x: noisy images at t.
    t: (b,).
    clean: the denoised images.
    between: place of the learned log-variance in [0, 1], or None.
    variance: "small" or "large", where it is not learned.
  """
  table = jax.tree.map(
    lambda v: jnp.asarray(v, jnp.float32), posterior(schedule)
  )
  shape = (-1,) + (1,) * (x.ndim - 1)
  q = jax.tree.map(lambda v: v[t].reshape(shape), table)
  mean = q.of_image * clean + q.of_noisy * x
  if between is not None:
    log_variance = q.log_small + between * (q.log_beta - q.log_small)
  else:
    log_variance = q.log_small if variance == "small" else q.log_large
  true_mean = q.of_image * x0 + q.of_noisy * x
  divergence = normal_kl(true_mean, q.log_small, mean, log_variance)
  surprise = -discretised_log_likelihood(x0, mean, log_variance)
  nats = jnp.where(t.reshape(shape) == 0, surprise, divergence)
  return _bits(nats)


def bits_per_dim(
  denoise: Denoiser,
  schedule: Schedule,
  x0: Array,
  keys: Array,
  *,
  variance: str = "large",
  terms: int | None = None,
) -> dict[str, Array]:
  """Returns the bound `bits_per_dim` (b,) and its part `prior_bits` (b,).

  Args:
    denoise: (x, t) -> Denoised.
    schedule: the levels.
    x0: images (b, ...), 8-bit values scaled to [-1, 1].
    keys: (b,), of the noise.
    variance: variance of a step, where it is not learned.
    terms: how many of the T terms to evaluate: one at random out of each of as
      many stretches of equal length, which is unbiased; None is all.

  Raises:
    UserError: if `terms` does not divide T.
  """
  terms = schedule.steps if terms is None else terms
  if terms < 1 or schedule.steps % terms:
    raise UserError(
      f"terms: got {terms}; expected a divisor of the {schedule.steps} times."
    )
  length = schedule.steps // terms

  def step(total, number):
    draw = lambda k: jax.random.randint(
      jax.random.fold_in(k, number), (), 0, length, jnp.int32
    )
    t = number * length + jax.vmap(draw)(keys)
    alpha, sigma = schedule.levels(t, x0.ndim)
    noise_keys = jax.vmap(lambda k: jax.random.fold_in(k, number))(keys)
    x = alpha * x0 + sigma * normals(noise_keys, 0, x0.shape[1:])
    clean, between = denoise(x, t)
    return total + length * step_bits(
      schedule, x0, x, t, clean, between, variance=variance
    ), None

  zeros = jnp.zeros(x0.shape[:1], jnp.float32)
  total, _ = jax.lax.scan(step, zeros, jnp.arange(terms, dtype=jnp.int32))
  prior = prior_bits(schedule, x0)
  return {"bits_per_dim": total + prior, "prior_bits": prior}


def prior_bits(schedule: Schedule, x0: Array) -> Array:
  """KL of the noisiest level from a standard normal, bits per dimension."""
  alpha, sigma = schedule.alpha[-1], schedule.sigma[-1]
  return _bits(
    normal_kl(np.float32(alpha) * x0, np.float32(2 * np.log(sigma)), 0.0, 0.0)
  )


def normal_kl(mean1, log_variance1, mean2, log_variance2) -> Array:
  """KL(N1 || N2) of normals, elementwise, in nats."""
  gap = log_variance1 - log_variance2
  square = (mean1 - mean2) ** 2 * jnp.exp(-log_variance2)
  # expm1(gap) - gap, not exp(gap) - 1 - gap: the two variances are close.
  return 0.5 * (jnp.expm1(gap) - gap + square)


def discretised_log_likelihood(x0: Array, mean: Array, log_variance: Array):
  """Log-probability of 8-bit values in [-1, 1] under a binned normal, nats.

  The outermost bins reach to infinity: arxiv.org/abs/2006.11239, eq. 13.
  """
  deviation = jnp.exp(-0.5 * log_variance)
  upper = jax.scipy.stats.norm.cdf((x0 + _BIN - mean) * deviation)
  lower = jax.scipy.stats.norm.cdf((x0 - _BIN - mean) * deviation)
  upper = jnp.where(x0 > 1 - _BIN, 1.0, upper)
  lower = jnp.where(x0 < -1 + _BIN, 0.0, lower)
  return jnp.log(jnp.maximum(upper - lower, 1e-12))


def _bits(nats: Array) -> Array:
  return jnp.mean(nats, axis=tuple(range(1, nats.ndim))) / math.log(2)
