"""The threshold of a two-class segmentation, chosen by Dice."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np

from vision_jax.core.types import Array, Batch
from vision_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class MaskThreshold:
  """The probability from which on a pixel is class 1, with the best Dice.

  `out` has `probs` (b, h, w, 2); the batch `target` (b, h, w) and `mask` (b,).

  threshold: in [0, 1], a multiple of 1 / bins, of all pixels of the data set at
    the size that the net sees; of equally good ones the middle.
  threshold_dice: Dice of class 1 (F1 of its pixels) at that threshold.

  Both are left out where no pixel is of class 1. Probabilities are counted in
  bins, so that memory does not grow with the data.

  Attributes:
    ignore: the label of pixels that do not count; None counts all.
    bins: how many.
  """

  ignore: int | None = 255
  bins: int = 1000
  names: ClassVar[tuple[str, ...]] = ("threshold", "threshold_dice")
  state: ClassVar[Any] = None

  def __post_init__(self):
    if self.bins < 2:
      raise UserError(f"bins: got {self.bins}; expected a number >= 2.")

  def measure(
    self, state: Any, out: Any, batch: Batch
  ) -> tuple[dict[str, Array], dict[str, Array]]:
    """Counts the pixels of each class by bin, int32 (2, bins)."""
    del state
    truth, probs = batch["target"], out["probs"]
    if probs.shape != (*truth.shape, 2):
      raise UserError(
        f"probs: got {probs.shape} for truth {truth.shape}; expected two "
        "classes of each pixel, (b, h, w, 2)."
      )
    real = jnp.broadcast_to(batch["mask"][:, None, None] > 0, truth.shape)
    truth = truth.astype(jnp.int32)
    if self.ignore is not None:
      real &= truth != self.ignore
    slot = jnp.floor(probs[..., 1].astype(jnp.float32) * self.bins)
    slot = jnp.clip(slot, 0, self.bins - 1).astype(jnp.int32)
    code = jnp.where(real, (truth == 1) * self.bins + slot, 2 * self.bins)
    counts = jnp.zeros(2 * self.bins + 1, jnp.int32).at[code.ravel()].add(1)
    return {"counts": counts[:-1].reshape(2, self.bins)}, {}

  def result(self, sums: Mapping, rows: Mapping) -> dict[str, float]:
    """Reads Dice at each threshold off the counts."""
    del rows
    counts = np.asarray(sums["counts"], np.int64)
    false, true = np.cumsum(counts[:, ::-1], 1)[:, ::-1]  # at and above
    if not true[0]:
      return {}
    dice = 2 * true / (true + false + true[0])
    best = np.flatnonzero(dice == dice.max())
    middle = (best[0] + best[-1]) // 2
    return {
      "threshold": float(middle / self.bins),
      "threshold_dice": float(dice.max()),
    }
