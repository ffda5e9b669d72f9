"""Verification: are two images of one class, by how near they are."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from vision_jax.core.types import Array, Batch
from vision_jax.errors import UserError
from vision_jax.metrics.retrieval import blocks


@dataclasses.dataclass(frozen=True)
class Verification:
  """`tar_at_far_F`: the pairs of a class accepted where F of others' are too.

  Over all pairs of two examples. A pair is accepted whose cosine is above a
  threshold: the lowest one with which at most F of the pairs of two classes
  are. `out` has `features` (b, d), the batch `label`, int (b,). Exact, and
  no more than a block of pairs and those F are held.

  Attributes:
    fars: the false accept rates F, each more than 0 and below 1.
  """

  fars: Sequence[float] = (1e-3,)
  state: ClassVar[Any] = None

  def __post_init__(self):
    if not self.fars or min(self.fars) <= 0 or max(self.fars) >= 1:
      raise UserError(
        f"fars: got {tuple(self.fars)}; expected rates above 0 and below 1."
      )

  @property
  def names(self) -> tuple[str, ...]:
    """Those of the results."""
    return tuple(f"tar_at_far_{far:g}" for far in self.fars)

  def measure(
    self, state: Any, out: Mapping[str, Array], batch: Batch
  ) -> tuple[dict[str, Array], dict[str, Array]]:
    """Gathers features and labels."""
    del state
    return {}, {"features": out["features"], "label": batch["label"]}

  def check(self, label: np.ndarray) -> tuple[int, int]:
    """Returns how many pairs of one class and of two labels (n,) make.

    Raises:
      UserError: if there are none of either.
    """
    counts = np.unique(label, return_counts=True)[1].astype(np.int64)
    same = int((counts * (counts - 1) // 2).sum())
    differ = len(label) * (len(label) - 1) // 2 - same
    if not (same and differ):
      raise UserError(
        f"verification: got {len(label)} images of {len(counts)} classes, "
        f"{same} pairs of one class and {differ} of two; expected both kinds."
      )
    return same, differ

  def result(self, sums: Mapping, rows: Mapping) -> dict[str, float]:
    """Goes through all pairs twice: for thresholds, then for what they accept.

    Raises:
      UserError: as `check` does.
    """
    del sums
    features, label = rows["features"], np.asarray(rows["label"])
    same, differ = self.check(label)
    allowed = [int(far * differ + 1e-9) for far in self.fars]
    highest = _highest(features, label, max(allowed) + 1)
    thresholds = np.array(
      [highest[n] if n < len(highest) else -np.inf for n in allowed]
    )
    accepted = np.zeros(len(self.fars), np.int64)
    for cosine, alike in _pairs(features, label):
      own = np.sort(cosine[alike])
      accepted += len(own) - np.searchsorted(own, thresholds, side="right")
    return dict(zip(self.names, (accepted / same).tolist(), strict=True))


def _highest(
  features: np.ndarray, label: np.ndarray, number: int
) -> np.ndarray:
  """Returns the highest cosines of two classes' pairs, falling."""
  kept = np.zeros(0, np.float32)
  for cosine, alike in _pairs(features, label):
    kept = np.concatenate([kept, cosine[~alike]])
    if len(kept) > number:
      kept = np.partition(kept, len(kept) - number)[-number:]
  return np.sort(kept)[::-1]


def _pairs(
  features: np.ndarray, label: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
  """Yields the cosines (m,) of pairs, each once, and which are of a class."""
  place = np.arange(len(label))
  for part, cosine in blocks(features):
    once = place[part][:, None] < place[None]
    yield cosine[once], (label[part][:, None] == label[None])[once]
