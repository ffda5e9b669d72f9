"""Non-maximum suppression of static shape: hard and soft, class by class."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.ops.boxes import iou
from vision_jax.ops.local import per_image
from vision_jax.ops.shapes import check_shape

Decay = Callable[[Array], Array]  # IoU with a better box -> factor of a score


def hard(threshold: float) -> Decay:
  """Drops boxes that overlap a better one by more than the threshold."""
  if not 0 <= threshold <= 1:
    raise UserError(f"threshold: got {threshold}; expected an IoU, 0 to 1.")
  return lambda overlap: jnp.where(overlap > threshold, 0.0, 1.0)


def linear(threshold: float) -> Decay:
  """Lowers scores by the overlap, where that is above the threshold.

  Soft-NMS: Bodla et al., 2017, https://arxiv.org/abs/1704.04503.
  """
  kept = hard(threshold)
  return lambda overlap: jnp.where(kept(overlap) > 0, 1.0, 1.0 - overlap)


def gaussian(sigma: float = 0.5) -> Decay:
  """Lowers scores by exp(-overlap² / sigma), the other form of Soft-NMS."""
  if sigma <= 0:
    raise UserError(f"sigma: got {sigma}; expected a number above 0.")
  return lambda overlap: jnp.exp(-(overlap**2) / sigma)


def suppress(
  boxes: Array,
  score: Array,
  label: Array | None = None,
  *,
  count: int,
  decay: Decay,
) -> tuple[Array, Array]:
  """Returns the boxes that are kept of each image, best first.

  The best box is taken and lowers the scores of the others of its class, then
  the best of what is left, `count` times: work and memory grow with their
  number and p, not with its square.

  Args:
    boxes: (b, p, 4) xyxy, of any unit.
    score: (b, p), 0 or more; one of 0 is no box.
    label: (b, p), the boxes' classes; None if they are of one.
    count: boxes that are kept, m, at most; where p is smaller, so many.
    decay: see `hard`, `linear`, `gaussian`.

  Returns:
    Their places (b, m) int32, and their scores (b, m), 0 where no box is left.
    Of equal scores the first is taken.
  """
  b, p, _ = check_shape("boxes", boxes, "b p 4")
  check_shape("score", score, f"{b} {p}")
  label = jnp.zeros((b, p), jnp.int32) if label is None else label
  check_shape("label", label, f"{b} {p}")
  one = lambda *x: _suppress_one(*x, min(count, p), decay)
  return per_image(jax.vmap(one))(boxes, score.astype(jnp.float32), label)


def _suppress_one(boxes, score, label, count, decay) -> tuple[Array, Array]:
  """`suppress` for one image."""

  def take(left: Array, _) -> tuple[Array, tuple[Array, Array]]:
    best = jnp.argmax(left).astype(jnp.int32)
    factor = jnp.where(
      label == label[best], decay(iou(boxes[best], boxes)), 1.0
    )
    lowered = (left * factor).at[best].set(0)
    return lowered, (best, left[best])

  return jax.lax.scan(take, score, length=count)[1]
