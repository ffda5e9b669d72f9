"""Parts of a source by class: some classes of it, a few examples of each."""

import difflib
import functools
from collections.abc import Sequence

import numpy as np

from vision_jax.data.errors import DataError, some
from vision_jax.data.order import check_seed
from vision_jax.data.pickled import AsMade
from vision_jax.data.source import (
  Example,
  OfSource,
  Source,
  gathers,
  short_hash,
)
from vision_jax.data.subsets import subset


def of_classes(
  source: Source, classes: Sequence[str], names: Sequence[str]
) -> Source:
  """Returns the examples of some classes, which are labelled anew from 0.

  Args:
    source: examples with `label` and `labels()`.
    classes: the names of those that are taken, in the order of the new labels.
    names: those of all of the source, as its labels count them.

  Raises:
    UserError: for a class that the source does not have, or twice the same.
  """
  numbers = [_number(name, names) for name in classes]
  if len({*numbers}) < len(numbers):
    raise DataError(f"classes: got {list(classes)}; expected each once.")
  return (_GatherClasses if gathers(source) else _ReadClasses)(
    source, numbers, classes
  )


def _number(name: str, names: Sequence[str]) -> int:
  if name in names:
    return [*names].index(name)
  near = difflib.get_close_matches(name, names, n=1, cutoff=0.0)
  nearest = f"; the nearest is {near[0]!r}" if near else ""
  raise DataError(
    f"classes: got {name!r}; expected some of {some(names)}{nearest}."
  )


class _Classes(OfSource, AsMade):
  """The examples of some classes, in the source's order."""

  def __init__(
    self, source: Source, numbers: Sequence[int], names: Sequence[str]
  ):
    self.source, self._numbers, self._names = source, numbers, tuple(names)

  @property
  def num_classes(self) -> int:
    """Number of the classes that are taken."""
    return len(self._names)

  @property
  def class_names(self) -> tuple[str, ...]:
    """Their names."""
    return self._names

  @functools.cached_property
  def part(self) -> Source:
    """The examples with the labels that they have in the source."""
    kept = np.isin(self.source.labels(), self._numbers)
    return subset(self.source, np.flatnonzero(kept))

  def __len__(self) -> int:
    return len(self.part)

  def labels(self) -> np.ndarray:
    """Returns the new labels (n,)."""
    return self.renumbered(self.part.labels())

  def fingerprint(self) -> str:
    """Returns a hash of the source's and of the classes."""
    return short_hash(self.source.fingerprint(), self._numbers)

  def renumbered(self, labels: np.ndarray) -> np.ndarray:
    """Returns the new labels (...) of old ones."""
    order = np.argsort(self._numbers)
    at = np.searchsorted(np.asarray(self._numbers)[order], labels)
    return order[at].astype(np.int32)


class _ReadClasses(_Classes):
  def read(self, indices: np.ndarray) -> list[Example]:
    """Returns the examples at `indices`."""
    examples = self.part.read(indices)
    return [x | {"label": self.renumbered(x["label"])} for x in examples]


class _GatherClasses(_Classes):
  def gather(self, indices: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the examples at `indices`, stacked."""
    batch = self.part.gather(indices)
    return batch | {"label": self.renumbered(batch["label"])}


def few_shots(source: Source, shots: int, seed: int = 0) -> Source:
  """Returns `shots` random examples of each class, in the source's order.

  Args:
    source: examples with `labels()`.
    shots: how many of each class; labels are read on first use.
    seed: seed of the draw.

  Raises:
    DataError: on first use, for a class that has fewer.
  """
  check_seed(seed)

  def drawn() -> np.ndarray:
    return draw_shots(
      source.labels(), shots, seed, getattr(source, "class_names", ())
    )

  return subset(source, drawn)


def draw_shots(
  labels: np.ndarray, shots: int, seed: int, names: Sequence[str] = ()
) -> np.ndarray:
  """Returns positions (k * shots,), sorted: `shots` of each class that is.

  Args:
    labels: (n,) integers.
    shots: how many of each.
    seed: seed of the draw.
    names: the classes' names, for errors.

  Raises:
    DataError: for a class that has fewer, or one of `names` that has none.
  """
  counts = np.bincount(labels, minlength=len(names))
  classes = np.arange(len(counts)) if names else np.flatnonzero(counts)
  least = int(counts[classes].min()) if len(classes) else 0
  if not 1 <= shots <= least:
    rarest = int(classes[counts[classes].argmin()]) if len(classes) else 0
    name = names[rarest] if rarest < len(names) else str(rarest)
    have = f"1 to {least}" if least else "images of each class"
    raise DataError(
      f"shots: got {shots}; expected {have}: the rarest class, {name!r}, has "
      f"{least or 'none'}. Add images of it, or take fewer."
    )
  rng = np.random.RandomState(seed)  # its stream is promised never to change
  picks = [
    rng.permutation(np.flatnonzero(labels == k))[:shots] for k in classes
  ]
  return np.sort(np.concatenate(picks))
