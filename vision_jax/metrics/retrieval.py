"""Retrieval among the examples themselves: each is asked for, all others lie.

Leave-one-out: an example is compared with every other one by the cosine of
their features, and those of its class are to come first. Exact, a block of
similarities at a time.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from vision_jax.core.types import Array, Batch
from vision_jax.errors import UserError

BLOCK = 1024  # examples whose similarities are held at once


@dataclasses.dataclass(frozen=True)
class Retrieval:
  """`recall_at_K`, and `map_at_r`, over all examples.

  `out` has `features` (b, d), the batch `label`, int (b,). recall_at_K is the
  part of the examples that have one of their class among the K nearest. Of an
  example with R others of its class, mAP@R is the mean over the R nearest of
  the precision up to there where one is of the class, and 0 where it is not
  (Musgrave et al., 2020). An example that is alone in its class asks for
  nothing; how many such there are is `lone`. Of equally near ones the first in
  the data set is nearer.

  Attributes:
    ks: the numbers K.
  """

  ks: Sequence[int] = (1,)
  state: ClassVar[Any] = None

  def __post_init__(self):
    if not self.ks or min(self.ks) < 1:
      raise UserError(f"ks: got {tuple(self.ks)}; expected numbers from 1.")

  @property
  def names(self) -> tuple[str, ...]:
    """Those of the results."""
    return (*(f"recall_at_{k}" for k in self.ks), "map_at_r", "lone")

  def measure(
    self, state: Any, out: Mapping[str, Array], batch: Batch
  ) -> tuple[dict[str, Array], dict[str, Array]]:
    """Gathers features and labels."""
    del state
    return {}, {"features": out["features"], "label": batch["label"]}

  def check(self, label: np.ndarray) -> None:
    """Checks that examples of labels (n,) can be compared.

    Raises:
      UserError: if no class has two examples, or there are too few for a K.
    """
    if not (_others(label) > 0).any():
      raise UserError(
        f"retrieval: got {len(label)} images, no two of one class; expected "
        "classes with two or more, as each image looks for others of its class."
      )
    if max(self.ks) >= len(label):
      raise UserError(
        f"ks: got {max(self.ks)}, and {len(label)} images; expected fewer than "
        "there are images, as none is compared with itself."
      )

  def result(self, sums: Mapping, rows: Mapping) -> dict[str, float]:
    """Compares every example with all others.

    Raises:
      UserError: as `check` does.
    """
    del sums
    label = np.asarray(rows["label"])
    self.check(label)
    others = _others(label)
    hits, precisions = np.zeros(len(self.ks)), 0.0
    for part, cosine in blocks(rows["features"]):
      most = max(int(others[part].max()), *self.ks)
      asks = others[part] > 0
      found = right(cosine, label, label[part], most)[asks]
      hits += [found[:, :k].any(1).sum() for k in self.ks]
      number = others[part][asks]
      precisions += float(average_precision(found, number).sum())
    asked = int((others > 0).sum())
    recalls = {
      f"recall_at_{k}": float(n / asked)
      for k, n in zip(self.ks, hits, strict=True)
    }
    lone = len(label) - asked
    return recalls | {"map_at_r": precisions / asked, "lone": lone}


def average_precision(found: np.ndarray, number: np.ndarray) -> np.ndarray:
  """Returns the average precision at R (n,) of each example.

  Args:
    found: (n, m) bool, whether each of its nearest is of its class, m >= R.
    number: (n,) how many there are to be found, R.
  """
  places = np.arange(1, found.shape[1] + 1)
  counts = found & (places <= number[:, None])
  precision = np.cumsum(found, 1) / places
  return (precision * counts).sum(1) / number


def blocks(features: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
  """Yields a block's place, and its cosines (m, n) to all; -inf to itself."""
  for part, cosine in cosines(features, features):
    rows = np.arange(part.stop - part.start)
    cosine[rows, part.start + rows] = -np.inf
    yield part, cosine


def cosines(
  features: np.ndarray, others: np.ndarray
) -> Iterator[tuple[slice, np.ndarray]]:
  """Yields the place of a block of (n, d), and its cosines to (k, d)."""
  x, y = _unit(features), _unit(others)
  for start in range(0, len(x), BLOCK):
    part = slice(start, min(start + BLOCK, len(x)))
    yield part, x[part] @ y.T


def right(
  cosine: np.ndarray, labels: np.ndarray, own: np.ndarray, most: int
) -> np.ndarray:
  """Returns whether each of the `most` nearest (m, most) is of the class.

  Args:
    cosine: (m, n), of those that ask and all that may be found.
    labels: (n,), of the latter.
    own: (m,), of those that ask.
    most: how many of the nearest.
  """
  order = np.argsort(-cosine, axis=1, kind="stable")[:, :most]
  return labels[order] == own[:, None]


def _unit(features: np.ndarray) -> np.ndarray:
  x = np.asarray(features, np.float32)
  return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)


def _others(label: np.ndarray) -> np.ndarray:
  """Returns how many others (n,) are of an example's class."""
  _, places, counts = np.unique(label, return_inverse=True, return_counts=True)
  return counts[places] - 1
