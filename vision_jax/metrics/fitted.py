"""Accuracies of classifiers of other kinds, fitted to the same data."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from vision_jax.core.types import Array, Batch


@dataclasses.dataclass(frozen=True)
class Fitted:
  """Accuracy of each of some classifiers, fitted to a reference data set.

  `out` has `features` (b, d), such as the pixels, the batch `label`, int (b,).
  What is measured on takes no part in the fit.

  Attributes:
    classifiers: name -> what makes one, with the `fit` and `predict` of
      scikit-learn's.
  """

  classifiers: Mapping[str, Callable[[], Any]]
  state: ClassVar[Any] = None
  refers: ClassVar[bool] = True

  @property
  def names(self) -> tuple[str, ...]:
    """The classifiers' names."""
    return tuple(self.classifiers)

  def measure(
    self, state: Any, out: Mapping[str, Array], batch: Batch
  ) -> tuple[dict[str, Array], dict[str, Array]]:
    """Gathers features and labels."""
    del state
    return {}, {"features": out["features"], "label": batch["label"]}

  def result(
    self, sums: Mapping, rows: Mapping, reference: Mapping
  ) -> dict[str, float]:
    """Fits each to the reference, and predicts the others."""
    del sums
    known = np.asarray(reference["features"]), np.asarray(reference["label"])
    asked, label = np.asarray(rows["features"]), np.asarray(rows["label"])
    fits = {name: make().fit(*known) for name, make in self.classifiers.items()}
    return {
      name: float(np.mean(fit.predict(asked) == label))
      for name, fit in fits.items()
    }
