"""The loss of a set of masks: matched with queries, then learned.

Cheng et al., 2022, https://arxiv.org/abs/2112.01527.
"""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array, Batch, Mean
from vision_jax.losses.detection import BoxLoss
from vision_jax.losses.set_criterion import SetCriterion


def mask_entropy(logits: Array, truth: Array) -> Array:
  """Binary cross entropy (...) of masks (..., p), a mean over their pixels."""
  return (jax.nn.softplus(logits) - logits * truth).mean(-1)


def mask_dice(logits: Array, truth: Array) -> Array:
  """1 - Dice (...) of masks (..., p), with a pixel added to both sums."""
  probs = jax.nn.sigmoid(logits)
  both = (probs * truth).sum(-1)
  return 1 - (2 * both + 1) / (probs.sum(-1) + truth.sum(-1) + 1)


@dataclasses.dataclass(frozen=True)
class MaskCriterion(SetCriterion):
  """Mask2Former's loss, of the outputs of every decoder layer.

  Outputs are `logits` (i, b, q, k + 1) and `masks` (i, b, q, h, w), logits too;
  a batch has `masks` (b, n, h', w') in [0, 1], `label` and `box_mask` (b, n).
  Terms `class`, `mask` and `mask_dice`, and `aux_...`, see `SetCriterion`.

  Differs from the paper: masks are compared at all pixels of those predicted,
  in whose cells the truth is averaged, in place of 12,544 drawn points.

  Attributes:
    box: name -> loss of matched masks, (b, n, h * w) each.
  """

  box: Mapping[str, BoxLoss] = dataclasses.field(
    default_factory=lambda: {"mask": mask_entropy, "mask_dice": mask_dice}
  )
  weights: Mapping[str, float] = dataclasses.field(
    default_factory=lambda: {"class": 2.0, "mask": 5.0, "mask_dice": 5.0}
  )
  shape = "masks"

  def __call__(
    self, outputs: Mapping[str, Array], batch: Batch
  ) -> dict[str, Mean]:
    """Returns the terms of a model's outputs."""
    found, truth = outputs["masks"], batch["masks"].astype(jnp.float32)
    size = (*truth.shape[:2], *found.shape[-2:])
    if truth.shape != size:
      truth = jax.image.resize(truth, size, "linear")
    flat = lambda x: x.reshape(*x.shape[:-2], -1)
    return super().__call__(
      {**outputs, "masks": flat(found)}, {**batch, "masks": flat(truth)}
    )

  def pairs(self, boxes: Array, truth: Array) -> dict[str, Array]:
    """Returns each loss of every pair of masks (b, q, p) and truth (b, n, p).

    By products of matrices: pairs of pixels would not fit into memory.
    """
    product = lambda x: jnp.einsum("bqp,bnp->bqn", x, truth)
    probs = jax.nn.sigmoid(boxes)
    areas = probs.sum(-1)[..., None] + truth.sum(-1)[:, None]
    none = jax.nn.softplus(boxes).sum(-1)[..., None]
    return {
      "mask": (none - product(boxes)) / boxes.shape[-1],
      "mask_dice": 1 - (2 * product(probs) + 1) / (areas + 1),
    }
