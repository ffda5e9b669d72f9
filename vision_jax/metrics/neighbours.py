"""Accuracy of the nearest neighbours in a reference data set."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from vision_jax.core.types import Array, Batch
from vision_jax.errors import UserError

CHUNK = 1024  # examples whose similarities are held at once


@dataclasses.dataclass(frozen=True)
class NearestNeighbours:
  """Part of the examples whose label most of their neighbours have, `knn`.

  `out` has `features` (b, d), the batch `label`, int (b,). Neighbours are the
  examples of the reference with the largest cosine of their features to the
  example's. Of labels that equally many have the lowest wins.

  Attributes:
    neighbours: number of neighbours that vote, k.
  """

  neighbours: int = 20
  state: ClassVar[Any] = None
  refers: ClassVar[bool] = True
  names: ClassVar[tuple[str, ...]] = ("knn",)

  def __post_init__(self):
    if self.neighbours < 1:
      raise UserError(
        f"neighbours: got {self.neighbours}; expected at least 1."
      )

  def measure(
    self, state: Any, out: Mapping[str, Array], batch: Batch
  ) -> tuple[dict[str, Array], dict[str, Array]]:
    """Gathers features and labels."""
    del state
    return {}, {"features": out["features"], "label": batch["label"]}

  def result(
    self, sums: Mapping, rows: Mapping, reference: Mapping
  ) -> dict[str, float]:
    """Compares every example with all of the reference.

    Raises:
      UserError: if the reference has fewer examples than neighbours.
    """
    del sums
    if (count := len(reference["label"])) < self.neighbours:
      raise UserError(
        f"neighbours: got {self.neighbours}, and the reference has {count} "
        "examples; expected at most as many."
      )
    known, hits = _unit(reference["features"]), 0
    for start in range(0, len(rows["label"]), CHUNK):
      part = slice(start, start + CHUNK)
      near = np.argpartition(
        -_unit(rows["features"][part]) @ known.T, self.neighbours - 1
      )[:, : self.neighbours]
      labels = reference["label"][near]
      votes = [np.bincount(x).argmax() for x in labels]
      hits += int(np.sum(votes == rows["label"][part]))
    return {"knn": hits / len(rows["label"])}


def _unit(x: np.ndarray) -> np.ndarray:
  """Rows of length 1; those of zeros stay."""
  x = np.asarray(x, np.float32)
  return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
