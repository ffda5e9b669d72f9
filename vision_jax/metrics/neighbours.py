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
    temperature: where it is given, a vote counts exp(cosine / temperature), as
      DINO's with 0.07 (Caron et al., 2021); else all count alike.
  """

  neighbours: int = 20
  temperature: float | None = None
  state: ClassVar[Any] = None
  refers: ClassVar[bool] = True
  names: ClassVar[tuple[str, ...]] = ("knn",)

  def __post_init__(self):
    if self.neighbours < 1:
      raise UserError(
        f"neighbours: got {self.neighbours}; expected at least 1."
      )
    if self.temperature is not None and not self.temperature > 0:
      raise UserError(
        f"temperature: got {self.temperature}; expected more than 0, or None."
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
    found = vote(
      rows["features"],
      reference["features"],
      reference["label"],
      self.neighbours,
      self.temperature,
    )
    return {"knn": float(np.mean(found == rows["label"]))}


def vote(
  features: np.ndarray,
  reference: np.ndarray,
  labels: np.ndarray,
  neighbours: int,
  temperature: float | None = None,
) -> np.ndarray:
  """Returns the label (n,) that most of each example's neighbours have.

  Args:
    features: (n, d).
    reference: (r, d), those of the examples that vote, r >= neighbours.
    labels: (r,) integers, theirs.
    neighbours: how many vote: those with the largest cosine.
    temperature: a vote counts exp(cosine / temperature); None: 1.
  """
  known, found = _unit(reference), np.zeros(len(features), labels.dtype)
  for start in range(0, len(features), CHUNK):
    part = slice(start, start + CHUNK)
    cosine = _unit(features[part]) @ known.T
    near = np.argpartition(-cosine, neighbours - 1)[:, :neighbours]
    weights = np.ones(near.shape)
    if temperature is not None:
      closest = np.take_along_axis(cosine, near, 1)
      weights = np.exp((closest - 1).astype(np.float64) / temperature)
    votes = np.zeros((len(near), labels.max() + 1))
    np.add.at(votes, (np.arange(len(near))[:, None], labels[near]), weights)
    found[part] = votes.argmax(1)
  return found


def _unit(x: np.ndarray) -> np.ndarray:
  """Rows of length 1; those of zeros stay."""
  x = np.asarray(x, np.float32)
  return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
