"""A matrix product at every place of a map, its gradient as a CPU likes it."""

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array
from vision_jax.forms.choice import form

LARGE_PLACES = 1024  # of all images, from which the CPU's form is used


def product(x: Array, kernel: Array) -> Array:
  """Returns x (b, h, w, c) @ kernel (c, d), of one dtype.

  With the dense gradient in the form "transposed" that of a float32 kernel is
  asked for as xᵀ dy with x first. Of what jax writes by itself XLA makes a
  transposed dy, value by value within whatever computes dy: of ENet's step at
  360 x 480 a fifth. It has reverse-mode derivatives only (no `jax.jvp`).
  """
  chosen = form("dense_gradient") == "transposed" and x.dtype == jnp.float32
  # The places are compared last: an exported batch has no size yet.
  if chosen and x.size // max(x.shape[-1], 1) >= LARGE_PLACES:
    return _product(x, kernel)
  return x @ kernel


@jax.custom_vjp
def _product(x: Array, kernel: Array) -> Array:
  return x @ kernel


def _forward(x, kernel):
  return x @ kernel, (x, kernel)


def _backward(saved, dy):
  x, kernel = saved
  axes = tuple(range(x.ndim - 1))
  return dy @ kernel.T, jnp.tensordot(x, dy, (axes, axes))


_product.defvjp(_forward, _backward)
