"""What a denoiser predicts, and the image that follows from it.

"eps" is the noise, "x0" the image, "v" = alpha eps - sigma x0 (Salimans & Ho,
https://arxiv.org/abs/2202.00512).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from vision_jax.core.checks import check_name
from vision_jax.core.types import Array

KINDS = ("eps", "x0", "v")


class Denoised(NamedTuple):
  """What a denoiser says about x_t.

  Attributes:
    x0: the expected image, (b, ...).
    between: where the variance of a step is learned: where in [0, 1] its
      logarithm lies between the smallest and the largest; else None.
  """

  x0: Array
  between: Array | None = None


def to_prediction(kind: str, x0: Array, eps: Array, alpha: Array, sigma: Array):
  """Returns what a denoiser of this kind should predict."""
  check_name("prediction", kind, KINDS)
  if kind == "eps":
    return eps
  return x0 if kind == "x0" else alpha * eps - sigma * x0


def to_x0(kind: str, out: Array, x: Array, alpha: Array, sigma: Array) -> Array:
  """Returns the image that prediction `out` at x = alpha x0 + sigma eps means.

  Where alpha is small an error in "eps" grows by sigma / alpha.
  """
  check_name("prediction", kind, KINDS)
  if kind == "eps":
    return (x - sigma * out) / alpha
  return out if kind == "x0" else alpha * x - sigma * out


def guided(
  predict: Callable[[Array, Array, Any], Array],
  x: Array,
  t: Array,
  given: Any,
  null: Any,
  *,
  guidance: float,
) -> Array:
  """Classifier-free guidance: https://arxiv.org/abs/2207.12598.

  unconditional + guidance (conditional - unconditional): 1 is the conditional
  prediction, 0 the unconditional one. The paper's w is guidance - 1. Channels
  beyond those of x, of a learned variance, are the conditional ones.

  Args:
    predict: (x, t, condition) -> prediction, called once with twice the batch.
    x: noisy images (b, ...).
    t: times (b,).
    given: the condition, arrays (b, ...): classes (b,).
    null: what stands for no condition, in the same shapes.
    guidance: see above.
  """
  # Pairs lie side by side, so that a sharded batch stays where it is.
  pair = lambda a, b: jnp.stack([a, b], 1).reshape(-1, *a.shape[1:])
  out = predict(pair(x, x), pair(t, t), jax.tree.map(pair, given, null))
  out = out.reshape(-1, 2, *out.shape[1:])
  given, free = out[:, 0], out[:, 1]
  c = x.shape[-1]
  both = free[..., :c] + guidance * (given[..., :c] - free[..., :c])
  return jnp.concatenate([both, given[..., c:]], -1)
