"""Losses of classifiers.

All take logits (..., k), compute in float32, stay finite for any finite logits
and return one value for each example, shape (...): nothing reduces over the
batch. A label is a class, int (...), or a distribution or indicators, float
(..., k). A class outside 0 ... k - 1 gives NaN, which the step reports; on a
padded example, whose weight is 0, it does no harm.
"""

import jax
import jax.numpy as jnp
import numpy as np

from vision_jax.core.types import Array
from vision_jax.errors import UserError


def softmax_cross_entropy(
  logits: Array, label: Array, smoothing: float = 0.0
) -> Array:
  """Minus the log-likelihood of the label under softmax(logits).

  Args:
    logits: (..., k).
    label: int (...) or distribution (..., k).
    smoothing: part of the label spread evenly over all classes
      (https://arxiv.org/abs/1512.00567).

  Returns:
    (...), float32, in nats.
  """
  _check(logits, label, smoothing)
  log_p = jax.nn.log_softmax(logits.astype(jnp.float32))
  loss = -_pick(log_p, label) if _is_class(label) else -_dot(label, log_p)
  if not smoothing:
    return loss
  mass = 1.0 if _is_class(label) else jnp.sum(label, -1, dtype=jnp.float32)
  even = -mass * jnp.mean(log_p, -1)
  return (1 - smoothing) * loss + smoothing * even


def sigmoid_cross_entropy(
  logits: Array, label: Array, smoothing: float = 0.0
) -> Array:
  """The sum over classes of binary cross entropies, for several labels each.

  Args:
    logits: (..., k).
    label: int (...), one class each, or indicators in [0, 1] (..., k).
    smoothing: indicators y become y (1 - smoothing) + smoothing / k.

  Returns:
    (...), float32, in nats.
  """
  _check(logits, label, smoothing)
  y = _indicators(label, logits.shape[-1])
  y = y * (1 - smoothing) + smoothing / logits.shape[-1]
  loss = jnp.sum(_binary(logits.astype(jnp.float32), y), -1)
  return _nan_unless_valid(loss, label, logits.shape[-1])


def squared_error(logits: Array, label: Array) -> Array:
  """Half the squared distance to 1 of the label's output, to -1 of others'.

  As nets of tanh were trained (LeCun et al., 1998); the largest output decides.

  Args:
    logits: (..., k), outputs.
    label: int (...), or indicators in [0, 1] (..., k).

  Returns:
    (...), float32.
  """
  _check(logits, label)
  wanted = 2 * _indicators(label, logits.shape[-1]) - 1
  loss = jnp.sum((logits.astype(jnp.float32) - wanted) ** 2, -1) / 2
  return _nan_unless_valid(loss, label, logits.shape[-1])


def softmax_focal(logits: Array, label: Array, gamma: float = 2.0) -> Array:
  """Cross entropy whose class terms are weighted by (1 - p) ** gamma.

  https://arxiv.org/abs/1708.02002, for a softmax. gamma 0 is cross entropy.
  """
  _check(logits, label)
  log_p = jax.nn.log_softmax(logits.astype(jnp.float32))
  focal = _power(-jnp.expm1(log_p), gamma) * log_p
  return -_pick(focal, label) if _is_class(label) else -_dot(label, focal)


def sigmoid_focal(
  logits: Array,
  label: Array,
  gamma: float = 2.0,
  alpha: float | None = 0.25,
) -> Array:
  """The sum over classes of binary focal losses: arxiv.org/abs/1708.02002.

  Args:
    logits: (..., k).
    label: int (...), one class each, or indicators in [0, 1] (..., k).
    gamma: how much less an easy example counts; 0 is cross entropy.
    alpha: weight of positives, 1 - alpha of negatives; None weighs neither.

  Returns:
    (...), float32.
  """
  _check(logits, label)
  logits = logits.astype(jnp.float32)
  y = _indicators(label, logits.shape[-1])
  p = jax.nn.sigmoid(logits)
  wrong = p * (1 - y) + (1 - p) * y
  loss = _power(wrong, gamma) * _binary(logits, y)
  if alpha is not None:
    loss *= alpha * y + (1 - alpha) * (1 - y)
  return _nan_unless_valid(jnp.sum(loss, -1), label, logits.shape[-1])


def balanced_weights(counts: np.typing.ArrayLike) -> np.ndarray:
  """Weights of classes inversely to their counts (k,); their mean over the
  examples is 1. A class without examples has weight 0.
  """
  counts = _check_counts(counts)
  weights = counts.sum() / np.maximum(counts, 1) / np.sum(counts > 0)
  return np.where(counts > 0, weights, 0).astype(np.float32)


def effective_number_weights(
  counts: np.typing.ArrayLike, beta: float = 0.999
) -> np.ndarray:
  """Weights (1 - beta) / (1 - beta ** count), scaled to a mean of 1 over the
  classes with examples: Cui et al., https://arxiv.org/abs/1901.05555.
  """
  if not 0 <= beta < 1:
    raise UserError(f"beta: got {beta}; expected a number in [0, 1).")
  counts = _check_counts(counts)
  weights = (1 - beta) / (1 - beta ** np.maximum(counts, 1))
  weights = np.where(counts > 0, weights, 0)
  return (weights * np.sum(counts > 0) / weights.sum()).astype(np.float32)


def _is_class(label: Array) -> bool:
  return jnp.issubdtype(label.dtype, jnp.integer)


def _pick(values: Array, label: Array) -> Array:
  k = values.shape[-1]
  safe = jnp.clip(label, 0, k - 1)[..., None]
  picked = jnp.take_along_axis(values, safe, axis=-1)[..., 0]
  return _nan_unless_valid(picked, label, k)


def _nan_unless_valid(loss: Array, label: Array, k: int) -> Array:
  # On the loss alone, so that a masked example's gradient stays 0.
  if not _is_class(label):
    return loss
  # 0 / 0 rather than a constant NaN, which jax's own search would stop at.
  return loss + 0.0 / ((label >= 0) & (label < k))


def _indicators(label: Array, k: int) -> Array:
  if _is_class(label):
    return jax.nn.one_hot(label, k, dtype=jnp.float32)
  return label.astype(jnp.float32)


def _dot(label: Array, log_p: Array) -> Array:
  # 0 log 0 is 0, although log 0 may be infinite.
  label = label.astype(jnp.float32)
  return jnp.sum(jnp.where(label == 0, 0, label * log_p), -1)


def _binary(logits: Array, y: Array) -> Array:
  return jax.nn.softplus(logits) - logits * y


def _power(x: Array, gamma: float) -> Array:
  if gamma < 0:
    raise UserError(f"gamma: got {gamma}; expected a number >= 0.")
  # The gradient of x ** gamma at 0 is not finite for gamma < 1.
  tiny = jnp.finfo(jnp.float32).tiny
  return jnp.maximum(x, tiny) ** gamma if gamma else jnp.ones_like(x)


def _check(logits: Array, label: Array, smoothing: float = 0.0) -> None:
  expected = logits.shape[:-1] if _is_class(label) else logits.shape
  if label.shape != expected:
    raise UserError(
      f"label: got {label.dtype}{list(label.shape)} for logits "
      f"{list(logits.shape)}; expected integers {list(logits.shape[:-1])} or "
      f"floats {list(logits.shape)}."
    )
  if not 0 <= smoothing < 1:
    raise UserError(f"smoothing: got {smoothing}; expected a part of [0, 1).")


def _check_counts(counts: np.typing.ArrayLike) -> np.ndarray:
  counts = np.asarray(counts, np.float64)
  if counts.ndim != 1 or np.any(counts < 0) or not counts.sum() > 0:
    raise UserError(
      f"counts: got {counts.tolist()}; expected a count >= 0 for each class, "
      "and one example at least."
    )
  return counts
