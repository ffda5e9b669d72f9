"""Parts of a source, and a validation split held out of train."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.data.source import Example, short_hash

Indices = np.ndarray | Callable[[], np.ndarray]


class _Part:
  """The examples of `source` at some indices, in their order."""

  def __init__(self, source: Any, indices: Indices):
    self.source, self._given = source, indices

  @functools.cached_property
  def indices(self) -> np.ndarray:
    """Positions (n,) in the whole source."""
    given = self._given() if callable(self._given) else self._given
    indices = np.asarray(given, np.int64)
    size = len(self.source)
    if indices.ndim != 1 or (indices < 0).any() or (indices >= size).any():
      raise DataError(
        f"subset: got indices of shape {indices.shape}; expected (n,) with "
        f"values from 0 to {size - 1}, the source's last example."
      )
    return indices

  @property
  def num_classes(self) -> int | None:
    """Of the whole source."""
    return getattr(self.source, "num_classes", None)

  @property
  def class_names(self) -> tuple[str, ...]:
    """Of the whole source."""
    return getattr(self.source, "class_names", ())

  def __len__(self) -> int:
    return len(self.indices)

  def labels(self) -> np.ndarray:
    """Returns the labels (n,)."""
    return self.source.labels()[self.indices]

  def fingerprint(self) -> str:
    """Returns a hash of the source's and of the indices."""
    return short_hash(self.source.fingerprint(), self.indices)


class _ReadPart(_Part):
  def read(self, indices: np.ndarray) -> list[Example]:
    """Returns the examples at `indices` of this part."""
    return self.source.read(self.indices[indices])


class _GatherPart(_Part):
  def gather(self, indices: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the examples at `indices` of this part, stacked."""
    return self.source.gather(self.indices[indices])


def subset(source: Any, indices: Indices) -> Any:
  """Returns the source's examples at `indices`, in that order.

  Args:
    source: any source; the part is gathered where the source is.
    indices: (n,) integers, or a function that gives them on first use.
  """
  part = _GatherPart if hasattr(source, "gather") else _ReadPart
  return part(source, indices)


def split_train(
  source: Any, holdout: int, seed: int = 0, *, stratify: bool = False
) -> tuple[Any, Any]:
  """Holds `holdout` random examples out of a training set, for validation.

  Args:
    source: the training set.
    holdout: number of examples held out.
    seed: of the draw.
    stratify: keep the classes' shares; reads all labels on first use.

  Returns:
    (what is left to train on, what is held out): two parts of `source`, each
    in the source's order.
  """

  @functools.cache
  def parts() -> tuple[np.ndarray, np.ndarray]:
    labels = source.labels() if stratify else np.zeros(len(source), np.int64)
    return stratified(labels, holdout, seed)

  return subset(source, lambda: parts()[0]), subset(source, lambda: parts()[1])


def stratified(
  labels: np.ndarray, holdout: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
  """Splits positions so that each class gives its share of the holdout.

  Shares are rounded by the largest remainder, so that they add up.

  Returns:
    (kept, held out), both sorted.
  """
  n = len(labels)
  if not 0 < holdout < n:
    raise DataError(
      f"split: got holdout {holdout}; expected 1 to {n - 1}, fewer than the "
      f"{n} examples."
    )
  _, class_of, sizes = np.unique(
    labels, return_inverse=True, return_counts=True
  )
  share = sizes * holdout / n
  take = np.floor(share).astype(int)
  most_cut = np.argsort(take - share, kind="stable")
  take[most_cut[: holdout - take.sum()]] += 1
  # RandomState, because its stream is promised never to change.
  rng = np.random.RandomState(seed)
  held = np.zeros(n, bool)
  for k, count in enumerate(take):
    held[rng.permutation(np.flatnonzero(class_of == k))[:count]] = True
  return np.flatnonzero(~held), np.flatnonzero(held)
