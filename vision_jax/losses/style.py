"""What style is compared by: which channels of a map go together."""

import jax.numpy as jnp

from vision_jax.core.types import Array


def gram(x: Array) -> Array:
  """Products of channels of a map (b, h, w, c), summed over places: (b, c, c).

  The Gram matrices of Gatys et al. (2016), whose places are not told apart; a
  sum as there, in float32, and not a mean.
  """
  x = x.reshape(len(x), -1, x.shape[-1]).astype(jnp.float32)
  return jnp.einsum("bpc,bpd->bcd", x, x, precision="highest")
