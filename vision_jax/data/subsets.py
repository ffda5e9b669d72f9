"""Parts of a source, and a validation split held out of train."""

import functools
import pathlib
from collections.abc import Callable, Sequence

import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.data.order import check_seed
from vision_jax.data.pickled import AsMade
from vision_jax.data.source import (
  Example,
  OfSource,
  Source,
  draws,
  gathers,
  short_hash,
)

_TIES = 0  # of the draw among ties: with it digits' split is the one published
Indices = np.ndarray | Callable[[], np.ndarray]


class Part(OfSource, AsMade):
  """The examples of `source` at some indices, in their order."""

  def __init__(self, source: Source, indices: Indices):
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

  def __len__(self) -> int:
    return len(self.indices)

  def labels(self) -> np.ndarray:
    """Returns the labels (n,)."""
    return self.source.labels()[self.indices]

  def labelled(self) -> np.ndarray:
    """Returns how many keypoints of each image are labelled, (n,)."""
    return self.source.labelled()[self.indices]

  def fingerprint(self) -> str:
    """Returns a hash of the source's and of the indices."""
    return short_hash(self.source.fingerprint(), self.indices)


class _ReadPart(Part):
  def read(self, indices: np.ndarray) -> list[Example]:
    """Returns the examples at `indices` of this part."""
    return self.source.read(self.indices[indices])


class _GatherPart(Part):
  def gather(self, indices: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the examples at `indices` of this part, stacked."""
    return self.source.gather(self.indices[indices])


class _DrawPart(Part):
  def draw(
    self, indices: np.ndarray, rngs: Sequence[np.random.Generator]
  ) -> list[Example]:
    """Returns the examples at `indices` of this part, each drawn anew."""
    return self.source.draw(self.indices[indices], rngs)


def subset(source: Source, indices: Indices) -> Source:
  """Returns the source's examples at `indices`, in that order.

  Args:
    source: any source; the part is gathered where the source is.
    indices: (n,) integers, or a function that gives them on first use.
  """
  if draws(source):
    return _DrawPart(source, indices)
  part = _GatherPart if gathers(source) else _ReadPart
  return part(source, indices)


def split_train(
  source: Source, holdout: float, seed: int = 0, *, stratify: bool = False
) -> tuple[Source, Source]:
  """Holds `holdout` random examples out of a training set, for validation.

  Of a source of files (one that has `paths`) they are those whose paths hash
  lowest, so that files that come or go leave the others where they are; see
  `split_paths`. Of other sources they are drawn by position.

  Args:
    source: the training set.
    holdout: number of examples held out, or their share where it is below 1.
    seed: seed of the draw.
    stratify: keep the classes' shares; reads all labels on first use.

  Returns:
    (what is left to train on, what is held out): two parts of `source`, each
    in the source's order.
  """
  split = _Split(source, holdout, seed, stratify)
  return subset(source, split.kept), subset(source, split.held)


class _Split(AsMade):
  """Positions that are kept and held out, drawn on first use."""

  def __init__(self, source: Source, holdout: float, seed: int, stratify: bool):
    check_seed(seed)
    self.source, self.holdout = source, holdout
    self.seed, self.stratify = seed, stratify

  def kept(self) -> np.ndarray:
    """Returns the positions of what is left to train on."""
    return self._parts[0]

  def held(self) -> np.ndarray:
    """Returns the positions of what is held out."""
    return self._parts[1]

  @functools.cached_property
  def _parts(self) -> tuple[np.ndarray, np.ndarray]:
    source, n, holdout = self.source, len(self.source), self.holdout
    labels = source.labels() if self.stratify else np.zeros(n, np.int64)
    if hasattr(source, "paths"):
      names = source.class_names if self.stratify else ("",)
      groups = [names[k] for k in labels]
      return split_paths(source.paths(), groups, holdout, self.seed)
    if 0 < holdout < 1:
      return stratified(labels, max(round(holdout * n), 1), self.seed)
    return stratified(labels, holdout, self.seed)


def stratified(
  labels: np.ndarray, holdout: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
  """Splits positions so that each class gives its share of the holdout.

  Shares are rounded by the largest remainder, so that they add up; among equal
  remainders the seed decides. A class never gives its only example.

  Args:
    labels: (n,), or (n, k), where each row that occurs is a class.
    holdout: number of examples held out.
    seed: seed of the draw.

  Returns:
    (kept, held out), both sorted.
  """
  n = len(labels)
  _, class_of, sizes = np.unique(
    labels, return_inverse=True, return_counts=True, axis=0
  )
  class_of, most = class_of.reshape(-1), np.maximum(sizes - 1, 0)
  _check_holdout(holdout, n, int(most.sum()))
  # RandomState, because its stream is promised never to change.
  take = _shares(sizes, most, holdout, np.random.RandomState([seed, _TIES]))
  rng = np.random.RandomState(seed)
  held = np.zeros(n, bool)
  for k, count in enumerate(take):
    held[rng.permutation(np.flatnonzero(class_of == k))[:count]] = True
  return np.flatnonzero(~held), np.flatnonzero(held)


def split_paths(
  paths: Sequence[str], groups: Sequence[str], holdout: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
  """Splits positions by hashes of the files' names, within each group.

  A group holds out the files whose names without folder and suffix hash lowest,
  as many as its share, whatever the layout of their folders; of two of one name
  their paths decide. A share's fraction is one more with that probability, by a
  hash of the group's name. So a file more or less moves at most one other
  across, of its own group, as long as `holdout` is a share. A group never gives
  its only example; at least one example is held out.

  Args:
    paths: (n,), of each example in the data's folder.
    groups: (n,), the name of each example's group, such as its class.
    holdout: number of examples, or their share where it is below 1.
    seed: seed of the hashes.

  Returns:
    (kept, held out), both sorted.
  """
  n = len(paths)
  share = holdout / n if holdout >= 1 and n else holdout
  names, group_of, sizes = np.unique(
    groups, return_inverse=True, return_counts=True
  )
  _check_holdout(holdout, n, int((sizes - 1).sum()))
  ranks = np.array([_fraction(seed, _stem(path)) for path in paths])
  ties = np.array([_fraction(seed, path) for path in paths])
  draws = np.array([_fraction(seed, str(name)) for name in names])
  # The rounding takes back what floating point adds to a whole number.
  take = np.floor(np.round(sizes * share, 9) + draws).astype(int)
  take = np.minimum(take, sizes - 1)
  if not take.any():  # of a few files: from a group that has two
    take[np.argmin(np.where(sizes > 1, draws, np.inf))] = 1
  order = np.lexsort((ties, ranks, group_of))
  place = np.arange(n) - np.repeat(np.cumsum(sizes) - sizes, sizes)
  held = np.zeros(n, bool)
  held[order] = place < np.repeat(take, sizes)
  return np.flatnonzero(~held), np.flatnonzero(held)


def _shares(
  sizes: np.ndarray,
  most: np.ndarray,
  holdout: int,
  rng: np.random.RandomState,
) -> np.ndarray:
  """How many each class gives, `most` at most, `holdout` in all."""
  share = sizes * holdout / sizes.sum()
  take = np.minimum(np.floor(share).astype(int), most)
  # Equal remainders are equal though floating point differs in the last digit.
  cut = np.round(share - take, 9)
  order = np.lexsort((rng.rand(len(sizes)), -cut))
  while (left := int(holdout - take.sum())) > 0:
    able = order[take[order] < most[order]]
    take[able[:left]] += 1
  return take


def _check_holdout(holdout: float, n: int, most: int) -> None:
  whole = holdout < 1 or holdout == int(holdout)
  if not whole or not 0 < holdout <= most:
    if not most:
      raise DataError(
        f"split: got no class with two examples, of {n} in all; expected one, "
        "as a class keeps at least one of its own. Add some, or give a split "
        "val."
      )
    raise DataError(
      f"split: got holdout {holdout}; expected 1 to {most} of the {n} "
      "examples: a class keeps at least one of its own."
    )


def _stem(path: str) -> str:
  return pathlib.PurePosixPath(path).stem


def _fraction(*parts: object) -> float:
  """A hash as a number in [0, 1)."""
  return int(short_hash(*parts)[:13], 16) / 16**13
