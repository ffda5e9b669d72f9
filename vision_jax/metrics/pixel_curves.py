"""ROC-AUC and average precision of a segmentation's pixels, of two classes."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import jax.numpy as jnp

from vision_jax.core.types import Array, Batch
from vision_jax.errors import UserError
from vision_jax.metrics.curves import auc, average_precision, ranked


@dataclasses.dataclass(frozen=True)
class PixelCurves:
  """Areas under the curves of class 1, of all pixels of the data set; exact.

  `out` has `probs` (b, h, w, 2); the batch `target` (b, h, w) and `mask` (b,).
  A score is the log-odds, as near 1 probabilities run together.

  auc: area under the ROC curve.
  average_precision: area under the steps of precision over recall.

  Both are left out where the pixels are all of one class. Memory: 5 bytes a
  pixel, and one sort; `MaskThreshold` counts by bins instead.

  Attributes:
    ignore: the label of pixels that do not count; None counts all.
  """

  ignore: int | None = 255
  names: ClassVar[tuple[str, ...]] = ("auc", "average_precision")
  state: ClassVar[Any] = None

  def measure(
    self, state: Any, out: Any, batch: Batch
  ) -> tuple[dict[str, Array], dict[str, Array]]:
    """Returns scores (b, h, w) float32 and the truth as rows."""
    del state
    truth, probs = batch["target"], out["probs"]
    if probs.shape != (*truth.shape, 2):
      raise UserError(
        f"probs: got {probs.shape} for truth {truth.shape}; expected two "
        "classes of each pixel, (b, h, w, 2)."
      )
    log = jnp.log(probs.astype(jnp.float32))
    return {}, {"score": log[..., 1] - log[..., 0], "truth": truth}

  def result(self, sums: Mapping, rows: Mapping) -> dict[str, float]:
    """Sorts the scores of what counts.

    Raises:
      UserError: if a label is neither 0 nor 1, or no pixel counts.
    """
    del sums
    truth, score = rows["truth"].ravel(), rows["score"].ravel()
    if self.ignore is not None:
      known = truth != self.ignore
      truth, score = truth[known], score[known]
    if not truth.size or not (truth <= 1).all() or truth.min() < 0:
      raise UserError(
        f"target: got {truth.size} pixels that count; expected one at least, "
        "and labels of 0 and 1 alone."
      )
    curve = ranked(truth > 0, score)
    areas = {"auc": auc(curve), "average_precision": average_precision(curve)}
    return {name: x for name, x in areas.items() if x is not None}
