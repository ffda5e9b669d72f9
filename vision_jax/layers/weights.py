"""Products with weights whose gradient is float32, whatever a net computes in.

A weight's gradient is a sum over examples, and so over devices. A convolution
in bfloat16, with 8 bits, gives one in bfloat16, and jit's partitioner then adds
the devices' parts up in it: each of those additions rounds. Here every device
makes of its part a float32 and sends that, as under `pmap`.

A convolution that itself gives float32 would also do, but what cuDNN makes of
bfloat16 operands and a float32 result is not known; of matrix products it is,
and `dense` has that form.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array
from vision_jax.ops.local import summed

Product = Callable[[Array, Array], Array]


def weighted(product: Product, x: Array, kernel: Array) -> Array:
  """Returns product(x, kernel), the kernel in x's dtype.

  Where that is narrower than the kernel's, the kernel's gradient is added up
  over devices as float32, and there are reverse-mode derivatives only.

  Args:
    product: (x (b, ...), kernel) -> (b, ...), linear in both.
    x: activations.
    kernel: float32.
  """
  if x.dtype == kernel.dtype:
    return product(x, kernel)
  return _narrow(product, x, kernel)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _narrow(product: Product, x: Array, kernel: Array) -> Array:
  return product(x, kernel.astype(x.dtype))


def _forward(product, x, kernel):
  kernel = kernel.astype(x.dtype)
  return product(x, kernel), (x, kernel)


def _backward(product, saved, dy):
  x, kernel = saved
  shape = jax.ShapeDtypeStruct(kernel.shape, kernel.dtype)

  def gradient(x, dy):
    pull = jax.linear_transpose(lambda k: product(x, k), shape)
    return pull(dy)[0].astype(jnp.float32)

  (dx,) = jax.linear_transpose(lambda x: product(x, kernel), x)(dy)
  return dx, summed(gradient)(x, dy)


_narrow.defvjp(_forward, _backward)
