"""Layers whose kernel has spectral norm 1: Miyato et al., arXiv:1802.05957."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.broadcast import add
from vision_jax.layers.conv import HE_NORMAL, convolve
from vision_jax.layers.dense import linear

COLLECTION = "spectral"
_EPSILON = 1e-12


class SpectralConv(nn.Module):
  """Square convolution with a kernel of norm 1 as a (k k c, d) matrix.

  One power iteration each pass follows the norm, from the vector u (d,) of the
  collection "spectral", which training passes move (make it mutable).
  Parameters kernel (k, k, c, d) and bias (d,).

  Attributes:
    features: channels of the result, d.
    kernel: side of the window, k.
    stride: step of the window.
    padding: zeros on each of the four sides.
    dtype: type to compute in; parameters are float32.
    kernel_init: initial kernel.
  """

  features: int
  kernel: int = 3
  stride: int = 1
  padding: int = 1
  dtype: DTypeLike = jnp.float32
  kernel_init: nn.initializers.Initializer = HE_NORMAL

  @nn.compact
  def __call__(self, x: Array, *, train: bool) -> Array:
    """Maps x (b, h, w, c) to (b, h', w', d)."""
    shape = (self.kernel, self.kernel, x.shape[-1], self.features)
    kernel = self.param("kernel", self.kernel_init, shape, jnp.float32)
    bias = self.param("bias", nn.initializers.zeros, shape[-1:], jnp.float32)
    kernel = _normalised(self, kernel, train)
    y = convolve(x.astype(self.dtype), kernel, self.stride, self.padding)
    return add(y, bias)


class SpectralDense(nn.Module):
  """Linear map with a kernel (c, d) of norm 1; see `SpectralConv`.

  Attributes:
    features: size of the result's last axis, d.
    use_bias: whether a bias is added.
    dtype: type to compute in; parameters are float32.
    kernel_init: initial kernel.
  """

  features: int
  use_bias: bool = True
  dtype: DTypeLike = jnp.float32
  kernel_init: nn.initializers.Initializer = nn.initializers.lecun_normal()

  @nn.compact
  def __call__(self, x: Array, *, train: bool) -> Array:
    """Maps x (..., c) to (..., d)."""
    shape = (x.shape[-1], self.features)
    kernel = self.param("kernel", self.kernel_init, shape, jnp.float32)
    kernel = _normalised(self, kernel, train)
    y = linear(x.astype(self.dtype), kernel)
    if self.use_bias:
      bias = self.param("bias", nn.initializers.zeros, shape[1:], jnp.float32)
      y = add(y, bias)
    return y


def power_iteration(matrix: Array, u: Array) -> tuple[Array, Array]:
  """One step towards the largest singular value of a matrix (n, d).

  Args:
    matrix: the matrix whose norm is wanted; the norm has its derivative.
    u: the right singular vector so far, (d,).

  Returns:
    The norm and the new u.
  """
  left = _unit(jax.lax.stop_gradient(matrix) @ u)
  u = _unit(jax.lax.stop_gradient(matrix).T @ left)
  return left @ matrix @ u, u


def _normalised(module: nn.Module, kernel: Array, train: bool) -> Array:
  d = kernel.shape[-1]
  start = lambda: _unit(
    jax.random.normal(module.make_rng("params"), (d,), jnp.float32)
  )
  state = module.variable(COLLECTION, "u", start)
  norm, u = power_iteration(kernel.reshape(-1, d), state.value)
  if train and not module.is_initializing():
    state.value = u
  return kernel / jnp.maximum(norm, _EPSILON)


def _unit(x: Array) -> Array:
  return x / jnp.maximum(jnp.linalg.norm(x), _EPSILON)
