"""How well frozen features tell classes by a linear classifier."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from vision_jax.core.types import Array, Batch
from vision_jax.errors import UserError
from vision_jax.metrics.linear import fit_scaled, ridge


@dataclasses.dataclass(frozen=True)
class LinearProbe:
  """Accuracy `linear` of a classifier that is fitted to a reference data set.

  `out` has `features` (b, d), the batch `label`, int (b,). Ridge regression to
  one-hot labels in closed form, the penalty chosen by leave-one-out on the
  reference: what is measured on takes no part in it.
  """

  state: ClassVar[Any] = None
  refers: ClassVar[bool] = True
  names: ClassVar[tuple[str, ...]] = ("linear",)

  def measure(
    self, state: Any, out: Mapping[str, Array], batch: Batch
  ) -> tuple[dict[str, Array], dict[str, Array]]:
    """Gathers features and labels."""
    del state
    return {}, {"features": out["features"], "label": batch["label"]}

  def result(
    self, sums: Mapping, rows: Mapping, reference: Mapping
  ) -> dict[str, float]:
    """Fits to the reference and predicts the others.

    Raises:
      UserError: if the reference has fewer than two classes.
    """
    del sums
    label = np.asarray(reference["label"])
    if (there := len(np.unique(label))) < 2:
      raise UserError(
        f"linear probe: got {there} class in the {len(label)} examples of the "
        "reference; expected two or more."
      )
    classes = int(max(label.max(), np.max(rows["label"]))) + 1
    predict, _ = fit_scaled(ridge, classes, reference["features"], label)
    found = predict(rows["features"])
    return {"linear": float(np.mean(found == rows["label"]))}
