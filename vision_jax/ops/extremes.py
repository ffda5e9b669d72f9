"""The largest of a line of numbers, with a gradient that rounding cannot lose.

JAX gives a maximum's gradient to what *equals* it. A compiler may compute the
numbers a second time for that comparison, and round otherwise: then nothing
equals the maximum, and the gradient is gone or not a number. Here it goes by
the index of the largest, the first where several are.
"""

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array


def largest(x: Array, axis: int) -> Array:
  """Returns the maximum of x along one axis, which the result lacks."""
  first = jnp.argmax(x, axis, keepdims=True)
  place = jax.lax.broadcasted_iota(first.dtype, x.shape, axis % x.ndim)
  return jnp.sum(jnp.where(place == first, x, 0), axis)
