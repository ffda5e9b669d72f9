"""A rectifier whose negative side has a slope that is learned."""

import flax.linen as nn
import jax.numpy as jnp

from vision_jax.core.types import Array


class PReLU(nn.Module):
  """max(x, 0) + slope * min(x, 0) (He et al., 2015, arxiv.org/abs/1502.01852).

  Parameter slope (c,): one a channel, as in the paper.

  Attributes:
    initial: slope to begin with.
  """

  initial: float = 0.25

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps x (..., c) to the same shape, in its dtype."""
    init = nn.initializers.constant(self.initial)
    slope = self.param("slope", init, x.shape[-1:], jnp.float32)
    return jnp.where(x > 0, x, x * slope.astype(x.dtype))
