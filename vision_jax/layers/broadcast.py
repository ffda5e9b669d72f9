"""Broadcasting whose gradient adds up in float32, whatever a net computes in.

The gradient of a broadcast is a sum over all that it was spread over. Taken in
bfloat16, with 8 bits, it stops growing at a few hundred terms: the gradient of
a bias came out at half its length over 16,384 tokens, at a thirtieth over
65,536 pixels. So a value is spread in float32, and cast after.
"""

import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array


def spread(x: Array, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
  """Broadcasts x to `shape`, in `dtype`; its gradient's sum is float32."""
  return jnp.broadcast_to(x.astype(jnp.float32), shape).astype(dtype)


def add(y: Array, x: Array) -> Array:
  """Returns y + x in y's dtype, x (a bias) spread over y's shape."""
  return y + spread(x, y.shape, y.dtype)
