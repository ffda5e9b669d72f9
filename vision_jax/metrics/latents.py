"""How well codes tell classes apart."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from vision_jax.core.types import Array, Batch
from vision_jax.errors import UserError

_BLOCK = 1000  # examples whose distances are held at once


@dataclasses.dataclass(frozen=True)
class LatentNeighbours:
  """k-NN accuracy of an output `latent` (b, d), leaving one out.

  `knn_accuracy`: the share of examples whose label is the most frequent one
  (the smallest of those) among the k nearest *other* examples of the evaluated
  set, by Euclidean distance. It depends on the set's size: state it.

  Attributes:
    neighbours: k.
  """

  neighbours: int = 5
  state: ClassVar[Any] = None

  def __post_init__(self):
    if self.neighbours < 1:
      raise UserError(
        f"neighbours: got {self.neighbours}; expected at least 1."
      )

  def measure(
    self, state: Any, out: Any, batch: Batch
  ) -> tuple[dict[str, Array], dict[str, Array]]:
    """Collects codes and labels."""
    del state
    return {}, {"latent": out["latent"], "label": batch["label"]}

  def result(
    self, sums: Mapping[str, Any], rows: Mapping[str, Any]
  ) -> dict[str, float]:
    """Classifies every example by the others.

    Raises:
      UserError: if there are no k others.
    """
    del sums
    latent, label = np.asarray(rows["latent"], np.float64), rows["label"]
    if len(latent) <= self.neighbours:
      raise UserError(
        f"knn_accuracy: got {len(latent)} examples; expected at least "
        f"{self.neighbours + 1} for {self.neighbours} neighbours."
      )
    hits = [
      self._hits(latent, label, np.arange(i, min(i + _BLOCK, len(latent))))
      for i in range(0, len(latent), _BLOCK)
    ]
    return {"knn_accuracy": float(np.concatenate(hits).mean())}

  def _hits(self, latent: np.ndarray, label: np.ndarray, rows: np.ndarray):
    from scipy.spatial.distance import cdist

    distance = cdist(latent[rows], latent, "sqeuclidean")
    distance[np.arange(len(rows)), rows] = np.inf
    nearest = np.argsort(distance, axis=1, kind="stable")[:, : self.neighbours]
    votes = [np.bincount(found).argmax() for found in label[nearest]]
    return np.asarray(votes) == label[rows]
