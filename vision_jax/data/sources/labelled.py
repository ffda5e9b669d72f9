"""Images with a class each, of any layout that says so in a table."""

import collections
import dataclasses
import functools
import pathlib
from collections.abc import Callable, Sequence

import numpy as np

from vision_jax.data.errors import DataError, some
from vision_jax.data.pickled import AsMade, Lock
from vision_jax.data.source import Example, short_hash
from vision_jax.data.sources.class_names import labels_of
from vision_jax.data.sources.split_images import Images


@dataclasses.dataclass(frozen=True)
class Labels:
  """What a table says of n images.

  Attributes:
    images: n of them.
    classes: the name of each one's class, n.
    names: names of all classes, in the order of the labels; () sorts those that
      occur, numbers by their value.
  """

  images: Images
  classes: Sequence[str]
  names: tuple[str, ...] = ()


class LabelledSource(AsMade):
  """A split of images with classes.

  Args:
    load: reads the table, once, on first use.
    where: what errors call it.
    class_names: names in the order of the labels; () takes the table's.

  Raises:
    DataError: on first use, for a class that is none of `class_names`.
  """

  def __init__(
    self,
    load: Callable[[], Labels],
    where: str,
    class_names: Sequence[str] = (),
  ):
    self._load, self._where = load, where
    self._given = tuple(class_names)
    self._lock = Lock()

  @functools.cached_property
  def _loaded(self) -> Labels:
    table = self._load()
    if not table.classes:
      raise DataError(
        f"{self._where}: has no image; expected at least one. Check the split."
      )
    return table

  @property
  def _table(self) -> Labels:
    with self._lock:  # read once, by whichever thread is first
      return self._loaded

  @functools.cached_property
  def class_names(self) -> tuple[str, ...]:
    """Names in the order of the labels."""
    table = self._table
    return self._given or table.names or in_order(table.classes)

  @property
  def num_classes(self) -> int:
    """Number of classes."""
    return len(self.class_names)

  @functools.cached_property
  def _labels(self) -> np.ndarray:
    table, labels = self._table, labels_of(self.class_names)
    unknown = [i for i, name in enumerate(table.classes) if name not in labels]
    if unknown:
      i = unknown[0]
      raise DataError(
        f"{self._where}: {table.images.place(i)} is of the class "
        f"{table.classes[i]!r}, and {len(unknown) - 1} more images are of "
        f"none; expected one of {some(labels)}. Correct the table or "
        "--config.class_names."
      )
    return np.array([labels[name] for name in table.classes], np.int32)

  def __len__(self) -> int:
    return len(self._table.classes)

  def labels(self) -> np.ndarray:
    """Returns all labels (n,)."""
    return self._labels

  @property
  def files(self) -> list[pathlib.Path]:
    """Each image's path; [] where they are in larger files."""
    return list(getattr(self._table.images, "paths", ()))

  def paths(self) -> list[str]:
    """Returns each image's name in the data, as in "a/1.jpg"."""
    return list(self._table.images.names)

  def read(self, indices: np.ndarray) -> list[Example]:
    """Returns images with labels."""
    images, labels = self._table.images, self._labels
    return [
      {"name": images.place(i), "image": images.read(i), "label": labels[i]}
      for i in map(int, indices)
    ]

  def fingerprint(self) -> str:
    """Returns a hash of images and labels."""
    images = self._table.images.fingerprint()
    return short_hash(images, self.class_names, self._labels)


def in_order(names: Sequence[str]) -> tuple[str, ...]:
  """Returns the names that occur, sorted: numbers by value, before words."""
  number = lambda name: name.isascii() and name.isdigit()
  key = lambda name: (not number(name), int(name) if number(name) else 0, name)
  return tuple(sorted(collections.Counter(names), key=key))
