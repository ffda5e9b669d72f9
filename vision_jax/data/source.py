"""What the loader needs of a data set.

An example is a dict: `image` (h w c) uint8, or `bytes` as long as it is
encoded; `label` int32; `name` (str), what errors call the example, which never
enters a batch; and other arrays as a task needs them. Constructing a source is
cheap: it touches its data on first use.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, Protocol, TypeGuard

import numpy as np

Example = dict[str, Any]


class Source(Protocol):
  """A data set: a `ReadSource`, a `GatherSource` or a `DrawnSource`.

  May have `num_classes` (int or None), `class_names` and `labels()` (n,).
  """

  def __len__(self) -> int:
    """Number of examples."""

  def fingerprint(self) -> str:
    """Returns a short hash that changes when the data do."""


class ReadSource(Source, Protocol):
  """A data set whose examples are read one by one."""

  def read(self, indices: np.ndarray) -> list[Example]:
    """Returns the examples at `indices` (b,); safe from several threads."""


class GatherSource(Source, Protocol):
  """A data set in memory, gathered a batch at a time."""

  def gather(self, indices: np.ndarray) -> dict[str, np.ndarray]:
    """Returns new arrays (b, ...) of the examples at `indices` (b,)."""


class DrawnSource(Source, Protocol):
  """A data set whose examples are drawn anew each time, such as groups."""

  def draw(
    self, indices: np.ndarray, rngs: Sequence[np.random.Generator]
  ) -> list[Example]:
    """Returns the examples at `indices` (b,), each by its own generator."""


class OfSource:
  """A source that is made of another, and has its classes."""

  source: Source

  @property
  def num_classes(self) -> int | None:
    """The source's number of classes, None where it has none."""
    return getattr(self.source, "num_classes", None)

  @property
  def class_names(self) -> tuple[str, ...]:
    """The source's class names, empty where it has none."""
    return getattr(self.source, "class_names", ())


def read(
  source: ReadSource | GatherSource, indices: np.ndarray
) -> list[Example]:
  """Returns examples one by one, of a source that is gathered too."""
  if not gathers(source):
    return source.read(indices)
  batch = source.gather(indices)
  return [{k: x[i] for k, x in batch.items()} for i in range(len(indices))]


def draws(source: Source) -> TypeGuard[DrawnSource]:
  """Whether a source's examples are drawn anew each time."""
  return hasattr(source, "draw")


def draw(
  source: Source, indices: np.ndarray, rngs: Sequence[np.random.Generator]
) -> list[Example]:
  """Returns examples one by one, drawn by `rngs` where they are drawn."""
  if draws(source):
    return source.draw(indices, rngs)
  return read(source, indices)


def gathers(source: Source) -> TypeGuard[GatherSource]:
  """Whether a source is gathered from memory, and not read one by one."""
  return hasattr(source, "gather")


def short_hash(*parts: object) -> str:
  """Returns 16 hex digits for arrays, bytes and anything with a plain repr."""
  digest = hashlib.sha256()
  for part in parts:
    if isinstance(part, np.ndarray):
      digest.update(repr((part.shape, str(part.dtype))).encode())
      part = np.ascontiguousarray(part).view(np.uint8).data
    elif not isinstance(part, bytes):
      part = repr(part).encode()
    digest.update(part)
  return digest.hexdigest()[:16]
