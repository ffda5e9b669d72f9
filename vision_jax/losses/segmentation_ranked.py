"""Losses of segmentation that rank an image's pixels: a value an image, (b,).

Arguments as those of `losses.segmentation`: logits (b, h, w, k), integer
targets (b, h, w). An image's loss depends on nothing but this image, so that it
is the same in how many parts a batch is split; published code ranks the pixels
of a device's whole batch.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.losses.segmentation import (
  IGNORE,
  class_mean,
  known_pixels,
  pixel_cross_entropy,
  pixel_weights,
)

THRESHOLD = 0.7  # probabilities and share, as BiSeNet has them
SHARE = 1 / 16


def hardest_cross_entropy(
  logits: Array,
  target: Array,
  *,
  ignore: int = IGNORE,
  class_weights: Sequence[float] | None = None,
  threshold: float = THRESHOLD,
  share: float = SHARE,
) -> Array:
  """Cross entropy of an image's hard pixels alone (OHEM), their mean, (b,).

  Hard are pixels whose class has a probability below `threshold`, and in any
  case the hardest `share` of those that count: Shrivastava et al. (2016), as
  BiSeNet (Yu et al., 2018) has it; with threshold 0 the hardest share alone, as
  DeepLab's code has it.

  Args:
    logits: (b, h, w, k).
    target: (b, h, w).
    ignore: the value of pixels that do not count.
    class_weights: (k,) weights in the mean, see `pixel_weights`.
    threshold: in [0, 1].
    share: in [0, 1].

  Returns:
    (b,); 0 for an image of which no pixel counts.
  """
  check_hard(threshold, share)
  b = len(target)
  values = pixel_cross_entropy(logits, target, ignore=ignore).reshape(b, -1)
  valid = (target.astype(jnp.int32) != ignore).reshape(b, -1)
  weights = pixel_weights(target, ignore=ignore, class_weights=class_weights)
  hard = _hardest(jax.lax.stop_gradient(values), valid, threshold, share)
  weights = jnp.where(hard, weights.reshape(b, -1), 0)
  total = jnp.sum(jnp.where(hard, values, 0) * weights, -1)
  weight = jnp.sum(weights, -1)
  return jnp.where(weight > 0, total / jnp.where(weight > 0, weight, 1), total)


def check_hard(threshold: float, share: float) -> None:
  """Checks what makes a pixel hard.

  Raises:
    UserError: outside of [0, 1], or if both are 0.
  """
  inside = 0 <= threshold <= 1 and 0 <= share <= 1
  if not inside or threshold == share == 0:
    raise UserError(
      f"OHEM: got threshold {threshold} and share {share}; expected both in "
      "[0, 1], a probability and a part of the pixels, and one above 0."
    )


def _hardest(
  values: Array, valid: Array, threshold: float, share: float
) -> Array:
  """Which pixels are hard, (b, n); those without a value (NaN) are."""
  n = values.shape[-1]
  ranked = jnp.sort(jnp.where(valid, values, -jnp.inf), -1)
  number = jnp.ceil(share * jnp.sum(valid, -1, keepdims=True)).astype(jnp.int32)
  least = jnp.take_along_axis(ranked, jnp.clip(n - number, 0, n - 1), -1)
  least = jnp.where(number > 0, least, jnp.inf)
  above = values > -jnp.log(jnp.float32(threshold))
  return valid & (above | (values >= least) | jnp.isnan(values))


def lovasz_softmax(
  logits: Array, target: Array, *, ignore: int = IGNORE, absent: str = "skip"
) -> Array:
  """The convex extension of 1 - IoU, at the errors of probabilities, (b,).

  Lovász-Softmax: Berman et al. (2018), arxiv.org/abs/1705.08790; of each image
  by itself, the mean over its classes, of those that occur if absent="skip".

  Args:
    logits: (b, h, w, k).
    target: (b, h, w).
    ignore: the value of pixels that do not count.
    absent: "skip" or "count", see `soft_dice`.

  Returns:
    (b,); 0 for an image without a class in its mean.
  """
  valid, label = known_pixels(logits, target, ignore)
  b, _, _, k = logits.shape
  probs = jax.nn.softmax(logits.astype(jnp.float32)).reshape(b, -1, k)
  valid, label = valid.reshape(b, -1, 1), label.reshape(b, -1)
  truth = jax.nn.one_hot(label, k, dtype=jnp.float32) * valid
  # What does not count comes last, where it changes no other's rank.
  errors = jnp.where(valid, jnp.abs(truth - probs), -1)
  order = jnp.argsort(-jax.lax.stop_gradient(errors), axis=1)
  ranked = lambda x: jnp.take_along_axis(x, order, axis=1)
  slopes = _jaccard_slopes(ranked(truth)) * ranked(
    jnp.broadcast_to(valid, errors.shape)
  )
  loss = jnp.sum(jnp.maximum(ranked(errors), 0) * slopes, 1)
  wrong = valid[..., 0] & ((label < 0) | (label >= k))
  wrong = jnp.where(jnp.any(wrong, 1), jnp.nan, 0)[:, None]
  return class_mean(loss + wrong, jnp.sum(truth, 1), absent)


def _jaccard_slopes(truth: Array) -> Array:
  """How much 1 - IoU grows with each further error, (b, n, k).

  Args:
    truth: (b, n, k) of 0 and 1, the largest error first.
  """
  total = jnp.sum(truth, 1, keepdims=True)
  both = total - jnp.cumsum(truth, 1)
  either = total + jnp.cumsum(1 - truth, 1)
  loss = 1 - both / either
  return jnp.diff(loss, axis=1, prepend=0)
