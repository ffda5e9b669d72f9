"""A linear layer whose weight gradient is written as a CPU likes it."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.forms.choice import form
from vision_jax.layers.broadcast import add
from vision_jax.layers.weights import weighted

# Rows of the input (tokens of the batch) from which the CPU's form is used.
LARGE_ROWS = 1024


class Dense(nn.Module):
  """Linear map of the last axis; parameters kernel (c, d) and bias (d,).

  Attributes:
    features: size of the result's last axis, d.
    use_bias: whether a bias is added.
    dtype: type to compute in; parameters are float32.
    kernel_init: initial kernel.
    bias_init: initial bias.
  """

  features: int
  use_bias: bool = True
  dtype: DTypeLike = jnp.float32
  kernel_init: nn.initializers.Initializer = nn.initializers.lecun_normal()
  bias_init: nn.initializers.Initializer = nn.initializers.zeros

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps x (..., c) to (..., d)."""
    shape = (x.shape[-1], self.features)
    kernel = self.param("kernel", self.kernel_init, shape, jnp.float32)
    y = linear(x.astype(self.dtype), kernel)
    if self.use_bias:
      bias = self.param("bias", self.bias_init, shape[1:], jnp.float32)
      y = add(y, bias)
    return y


def linear(x: Array, kernel: Array) -> Array:
  """Returns x (..., c) @ kernel (c, d), in x's dtype.

  The gradient of a float32 kernel is as `weighted` says. In the form "float32"
  that of a narrower x is one product with a float32 result; not every CPU's
  product is.

  In the form "transposed" a large weight gradient is computed as (dyᵀ x)ᵀ and
  not as xᵀ dy: equal up to float order, and on a CPU up to a quarter faster for
  a ViT's layers (two chunks gained less). Nothing is split, so that a sharded
  batch stays where it is. Both have reverse-mode derivatives only (no
  `jax.jvp`).
  """
  chosen, narrow = form("dense_gradient"), x.dtype != kernel.dtype
  if narrow and chosen == "float32":
    return _wide(x, kernel)
  # The rows are compared last: an exported batch has no size yet.
  if chosen == "transposed" and not narrow and x.ndim > 2 and _large(x):
    return _linear(x, kernel)
  return weighted(jnp.matmul, x, kernel)


def _large(x: Array) -> bool:
  return x.size // max(x.shape[-1], 1) >= LARGE_ROWS


@jax.custom_vjp
def _linear(x: Array, kernel: Array) -> Array:
  return x @ kernel


def _forward(x, kernel):
  return x @ kernel, (x, kernel)


def _backward(saved, dy):
  x, kernel = saved
  axes = tuple(range(x.ndim - 1))
  return dy @ kernel.T, jnp.tensordot(dy, x, (axes, axes)).T


_linear.defvjp(_forward, _backward)


@jax.custom_vjp
def _wide(x: Array, kernel: Array) -> Array:
  return x @ kernel.astype(x.dtype)


def _wide_forward(x, kernel):
  return _forward(x, kernel.astype(x.dtype))


def _wide_backward(saved, dy):
  x, kernel = saved
  axes = tuple(range(x.ndim - 1))
  gradient = jnp.tensordot(
    x, dy, (axes, axes), preferred_element_type=jnp.float32
  )
  return dy @ kernel.T, gradient


_wide.defvjp(_wide_forward, _wide_backward)
