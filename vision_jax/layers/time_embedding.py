"""Times as a vector: sines and cosines, then two dense layers."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.layers.dense import Dense

# Ho et al.'s: Glorot's uniform, whose gain multiplies the variance.
GLOROT = nn.initializers.variance_scaling(1.0, "fan_avg", "uniform")


def sinusoids(t: Array, features: int, longest: float = 10_000.0) -> Array:
  """Sines, then cosines of t (b,) at geometric frequencies, (b, features).

  As in https://arxiv.org/abs/1706.03762 and the code of DDPM, where the last
  frequency is 1 / longest. Float32.
  """
  half = features // 2
  exponent = jnp.arange(half, dtype=jnp.float32) / max(half - 1, 1)
  angle = t.astype(jnp.float32)[:, None] * jnp.exp(
    -math.log(longest) * exponent
  )
  both = jnp.concatenate([jnp.sin(angle), jnp.cos(angle)], axis=-1)
  return jnp.pad(both, ((0, 0), (0, features - 2 * half)))


class TimeEmbedding(nn.Module):
  """Sinusoids of a time through two dense layers; paths dense1, dense2.

  Attributes:
    features: number of a time's sinusoids.
    hidden: width of both layers.
    dtype: type to compute in; parameters are float32.
    times: how many times there are, whose sinusoids stand side by side.
  """

  features: int
  hidden: int
  dtype: DTypeLike = jnp.float32
  times: int = 1

  @nn.compact
  def __call__(self, t: Array) -> Array:
    """Maps times t (b,) or (b, n) to vectors (b, hidden).

    Those that are not given are 0.

    Raises:
      UserError: for more times than there are.
    """
    given = (t,) if t.ndim == 1 else jnp.unstack(t, axis=1)
    if len(given) > self.times:
      raise UserError(
        f"t: got shape {t.shape}, {len(given)} times; expected at most "
        f"{self.times}. Give the net times={len(given)}."
      )
    given += (jnp.zeros_like(given[0]),) * (self.times - len(given))
    x = jnp.concatenate([sinusoids(t, self.features) for t in given], axis=-1)
    dense = lambda name: Dense(
      self.hidden, dtype=self.dtype, kernel_init=GLOROT, name=name
    )
    return dense("dense2")(jax.nn.silu(dense("dense1")(x)))
