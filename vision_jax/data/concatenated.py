"""Several sources as one, each after the one before."""

from collections.abc import Mapping, Sequence

import numpy as np

from vision_jax.data.errors import DataError, some
from vision_jax.data.pickled import AsMade
from vision_jax.data.source import (
  Example,
  OfSource,
  Source,
  gathers,
  read,
  short_hash,
)


def concatenated(*sources: Source) -> Source:
  """Returns the examples of all sources, in their order.

  It is gathered from memory where all of them are, and read one by one
  otherwise. Classes are those of the first.

  Args:
    *sources: one or more; examples of those that are gathered have the same
      keys and shapes.

  Raises:
    DataError: where class names differ, or later, where keys or shapes do.
  """
  known = {tuple(getattr(source, "class_names", ())) for source in sources}
  if len(known - {()}) > 1:
    raise DataError(
      f"concatenated: got sources of the classes {some(map(list, known))}; "
      "expected the same, in the same order. Name them alike."
    )
  return (_Gather if all(map(gathers, sources)) else _Read)(sources)


class _Concatenated(OfSource, AsMade):
  def __init__(self, sources: Sequence[Source]):
    self.sources, self.source = tuple(sources), sources[0]

  def __len__(self) -> int:
    return sum(map(len, self.sources))

  def labels(self) -> np.ndarray:
    """Returns the labels (n,) of all sources."""
    return np.concatenate([source.labels() for source in self.sources])

  def fingerprint(self) -> str:
    """Returns a hash of the sources' fingerprints."""
    return short_hash(*(source.fingerprint() for source in self.sources))

  def parts(self, indices: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Returns for each source the rows of `indices` it has, and their own."""
    starts = np.cumsum([0, *map(len, self.sources)])
    which = np.searchsorted(starts[1:], indices, side="right")
    rows = [np.flatnonzero(which == i) for i in range(len(self.sources))]
    return [(row, indices[row] - starts[i]) for i, row in enumerate(rows)]


class _Gather(_Concatenated):
  def gather(self, indices: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the examples at `indices` as new arrays (b, ...)."""
    out: dict[str, np.ndarray] = {}
    parts = zip(self.sources, self.parts(indices), strict=True)
    for source, (rows, within) in parts:
      if not len(rows):
        continue
      batch = source.gather(within)
      if not out:
        out = {k: _rows(x, len(indices)) for k, x in batch.items()}
      _check_like(batch, out)
      for key, x in batch.items():
        out[key][rows] = x
    return out


class _Read(_Concatenated):
  def read(self, indices: np.ndarray) -> list[Example]:
    """Returns the examples at `indices`."""
    out: list[Example] = [{}] * len(indices)
    parts = zip(self.sources, self.parts(indices), strict=True)
    for source, (rows, within) in parts:
      found = read(source, within) if len(rows) else []
      for row, example in zip(rows, found, strict=True):
        out[row] = example
    return out


def _rows(x: np.ndarray, number: int) -> np.ndarray:
  return np.empty((number, *x.shape[1:]), x.dtype)


def _check_like(
  batch: Mapping[str, np.ndarray], out: Mapping[str, np.ndarray]
) -> None:
  got, expected = _kinds(batch), _kinds(out)
  if got != expected:
    raise DataError(
      f"concatenated: got examples of {got}; expected {expected}, as the "
      "others are. Give sources of one shape and type."
    )


def _kinds(batch: Mapping[str, np.ndarray]) -> dict[str, str]:
  return {k: f"{x.dtype} {x.shape[1:]}" for k, x in sorted(batch.items())}
