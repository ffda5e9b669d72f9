"""What a code is to cost, besides the error of the image that comes of it."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array


def square_jacobian(encode: Callable[[Array], Array], image: Array) -> Array:
  """Squared Frobenius norm (b,) of the Jacobian of codes by their images.

  The penalty of a contractive autoencoder (Rifai et al., 2011). Exact, by a
  backward pass for each number of a code, all at once: for codes that are
  small. Right only if an image's code depends on no other image.

  Args:
    encode: images (b, h, w, c) -> codes (b, d).
    image: images (b, h, w, c).
  """
  code, pull = jax.vjp(encode, image)

  def square(direction: Array) -> Array:
    (grad,) = pull(jnp.broadcast_to(direction, code.shape))
    return jnp.sum(grad**2, axis=tuple(range(1, grad.ndim)))

  each = jnp.eye(code.shape[-1], dtype=code.dtype)
  return jnp.sum(jax.vmap(square)(each), 0)
