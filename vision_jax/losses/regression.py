"""Losses of numbers (b, t), a mean over each example's: (b,).

And the density of a mixture of Gaussians, as mixture density networks have it:
Bishop (1994).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array
from vision_jax.losses.likelihood import gaussian

MIN_LOG_SD = -7.0  # of standardised numbers: no component falls on one example


def l1(found: Array, truth: Array) -> Array:
  """Mean absolute error."""
  return jnp.mean(jnp.abs(found - truth), -1)


def l2(found: Array, truth: Array) -> Array:
  """Mean squared error."""
  return jnp.mean((found - truth) ** 2, -1)


def huber(found: Array, truth: Array, delta: float = 1.0) -> Array:
  """Half the square of errors up to delta, beyond it a line: Huber (1964)."""
  error = jnp.abs(found - truth)
  small = jnp.minimum(error, delta)
  return jnp.mean(small * (error - 0.5 * small), -1)


class Mixture(NamedTuple):
  """A mixture of m Gaussians of t numbers, which are independent in each.

  Attributes:
    log_weight: (b, m).
    mean: (b, m, t).
    log_sd: (b, m, t).
  """

  log_weight: Array
  mean: Array
  log_sd: Array

  @classmethod
  def of(cls, out: Array, components: int) -> "Mixture":
    """Takes apart a net's outputs (b, m + 2 m t), in float32."""
    out = out.astype(jnp.float32)
    logits, rest = out[:, :components], out[:, components:]
    mean, log_sd = jnp.split(rest.reshape(len(out), components, -1), 2, -1)
    log_sd = jnp.maximum(log_sd, MIN_LOG_SD)
    return cls(jax.nn.log_softmax(logits), mean, log_sd)

  def log_prob(self, truth: Array) -> Array:
    """Log-density of numbers (b, t), in nats: (b,)."""
    each = gaussian(self.mean, self.log_sd, truth[:, None]).sum(-1)
    return jax.nn.logsumexp(self.log_weight + each, axis=-1)

  def expected(self) -> Array:
    """The expected numbers, (b, t)."""
    return jnp.sum(jnp.exp(self.log_weight)[..., None] * self.mean, 1)


LOSSES = {"l1": l1, "l2": l2, "huber": huber}
