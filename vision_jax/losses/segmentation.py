"""Losses of segmentation: a value for each pixel, or for each image.

Logits are (b, h, w, k); targets integers (b, h, w), a class 0 ... k - 1 or
`ignore`, which does not count. Any other value gives NaN, which the step
reports. All compute in float32, and nothing reduces over the batch.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.losses.classification import softmax_cross_entropy as _entropy
from vision_jax.losses.classification import softmax_focal as _focal

IGNORE = 255


def pixel_cross_entropy(
  logits: Array, target: Array, *, ignore: int = IGNORE, smoothing: float = 0.0
) -> Array:
  """Minus the log-likelihood of each pixel's class, (b, h, w), in nats.

  Ignored pixels are 0; give them weight 0 in a mean (`pixel_weights`).
  """
  valid, label = known_pixels(logits, target, ignore)
  return jnp.where(valid, _entropy(logits, label, smoothing), 0)


def pixel_focal(
  logits: Array, target: Array, *, ignore: int = IGNORE, gamma: float = 2.0
) -> Array:
  """Cross entropy times (1 - p) ** gamma, (b, h, w): Lin et al. (2017)."""
  valid, label = known_pixels(logits, target, ignore)
  return jnp.where(valid, _focal(logits, label, gamma), 0)


def pixel_weights(
  target: Array,
  *,
  ignore: int = IGNORE,
  class_weights: Sequence[float] | None = None,
) -> Array:
  """Each pixel's weight in a mean, (b, h, w): its class's, 0 if ignored.

  A value that is no class weighs 1, so that its NaN is seen.
  """
  target = target.astype(jnp.int32)
  if class_weights is None:
    return (target != ignore).astype(jnp.float32)
  weights = jnp.asarray(class_weights, jnp.float32)
  known = (target >= 0) & (target < len(weights))
  # A sum over classes, not a gather, which is slow on some backends.
  picked = sum(
    jnp.where(target == k, weight, 0) for k, weight in enumerate(weights)
  )
  return jnp.where(target == ignore, 0, jnp.where(known, picked, 1))


def soft_dice(
  logits: Array,
  target: Array,
  *,
  ignore: int = IGNORE,
  absent: str = "skip",
  smooth: float = 1.0,
) -> Array:
  """1 - Dice of probabilities and truth, a mean over classes, (b,).

  Dice of a class is (2 sum p t + smooth) / (sum p + sum t + smooth), over an
  image's pixels that are not ignored: Milletari et al. (2016), with plain
  sums in the denominator.

  Args:
    logits: (b, h, w, k).
    target: (b, h, w).
    ignore: the value of pixels that do not count.
    absent: "skip" leaves an image's classes without a pixel out of its mean,
      "count" keeps them, where any probability given to them is punished.
    smooth: pixels added, which keep small classes from 0/0; > 0.

  Returns:
    (b,); 0 for an image without a class in its mean.
  """
  both, p, t = _overlap(logits, target, ignore, smooth)
  dice = (2 * both + smooth) / (p + t + smooth)
  return class_mean(1 - dice, t, absent)


def soft_jaccard(
  logits: Array,
  target: Array,
  *,
  ignore: int = IGNORE,
  absent: str = "skip",
  smooth: float = 1.0,
) -> Array:
  """1 - intersection over union of probabilities and truth, (b,).

  Arguments as `soft_dice`: of a class (sum p t + smooth) / (sum p + sum t -
  sum p t + smooth).
  """
  both, p, t = _overlap(logits, target, ignore, smooth)
  iou = (both + smooth) / (p + t - both + smooth)
  return class_mean(1 - iou, t, absent)


def known_pixels(
  logits: Array, target: Array, ignore: int
) -> tuple[Array, Array]:
  """Returns which pixels count, and their classes (0 where they do not)."""
  _check(logits, target)
  target = target.astype(jnp.int32)
  valid = target != ignore
  return valid, jnp.where(valid, target, 0)


def _overlap(logits: Array, target: Array, ignore: int, smooth: float):
  """Returns sums over pixels of p t, p and t, each (b, k)."""
  if smooth <= 0:
    raise UserError(f"smooth: got {smooth}; expected pixels > 0.")
  valid, label = known_pixels(logits, target, ignore)
  k = logits.shape[-1]
  p = jax.nn.softmax(logits.astype(jnp.float32)) * valid[..., None]
  t = jax.nn.one_hot(label, k, dtype=jnp.float32) * valid[..., None]
  wrong = jnp.any(valid & ((label < 0) | (label >= k)), (1, 2))
  both = jnp.sum(p * t, (1, 2)) + jnp.where(wrong, jnp.nan, 0)[:, None]
  return both, jnp.sum(p, (1, 2)), jnp.sum(t, (1, 2))


def class_mean(loss: Array, truth: Array, absent: str = "skip") -> Array:
  """Means of losses over classes: (b,), see `soft_dice` for `absent`.

  Args:
    loss: (b, k).
    truth: (b, k) pixels of each class.
    absent: "skip" or "count".
  """
  if absent not in ("skip", "count"):
    raise UserError(f"absent: got {absent!r}; expected 'skip' or 'count'.")
  if absent == "count":
    return jnp.mean(loss, -1)
  there = truth > 0
  total = jnp.sum(jnp.where(there, loss, 0), -1)
  return total / jnp.maximum(jnp.sum(there, -1), 1)


def _check(logits: Array, target: Array) -> None:
  integer = jnp.issubdtype(target.dtype, jnp.integer)
  if logits.ndim != 4 or target.shape != logits.shape[:-1] or not integer:
    raise UserError(
      f"target: got {target.dtype}{list(target.shape)} for logits "
      f"{list(logits.shape)}; expected logits (b, h, w, k) and integers "
      "(b, h, w). A model with padding 'valid' has smaller logits: cut the "
      "target to them."
    )
