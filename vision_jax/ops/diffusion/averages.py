"""How an average velocity changes along the flow, as MeanFlow asks.

The average u(x_t, t, r) of the velocity v is what takes x_t to x_r: (t - r) u
is v's integral from r to t. Its derivative by t, on the way, is the identity
u = v - (t - r) du/dt, of https://arxiv.org/abs/2505.13447, equation 6.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array


def rate(
  average: Callable[[Array, Array], Array],
  x: Array,
  times: Array,
  velocity: Array,
) -> Array:
  """Returns du/dt (b, ...) as x moves and t grows, r being fixed.

  Args:
    average: (x, times) -> u (b, ...).
    x: noisy images (b, ...).
    times: t and r, (b, 2).
    velocity: of x, (b, ...).
  """
  grows = jnp.broadcast_to(jnp.asarray([1, 0], times.dtype), times.shape)
  return derivative(average, (x, times), (velocity, grows))


def derivative(
  fn: Callable[..., Array],
  inputs: tuple[Array, ...],
  directions: tuple[Array, ...],
) -> Array:
  """Returns the derivative of fn(*inputs) in a direction of all inputs.

  As the second part of `jax.jvp`, but of layers too that say their backward
  pass themselves, such as GroupNorm. The gradient is linear in what comes from
  above, and its own gradient is the derivative; what else the gradient computes
  is not asked for, so that it compiles to as much as `jax.jvp` does. A kernel
  whose gradient has no derivative, such as cuDNN's attention, has none here.
  """
  out, pull = jax.vjp(fn, *inputs)
  _, push = jax.vjp(pull, jnp.zeros_like(out))
  return push(directions)[0]
