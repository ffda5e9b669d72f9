"""Images with a class each, of any layout that says so in a table."""

import collections
import dataclasses
import functools
from collections.abc import Sequence

import numpy as np

from vision_jax.data.errors import DataError, some
from vision_jax.data.source import Example, short_hash
from vision_jax.data.sources.class_names import labels_of
from vision_jax.data.sources.split_images import Images
from vision_jax.data.sources.table_source import TableSource


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


class LabelledSource(TableSource[Labels]):
  """A split of images with classes.

  Args:
    load: reads the table, once, on first use.
    where: what errors call it.
    class_names: names in the order of the labels; () takes the table's.

  Raises:
    DataError: on first use, for a class that is none of `class_names`.
  """

  @functools.cached_property
  def class_names(self) -> tuple[str, ...]:
    """Names in the order of the labels."""
    table = self._table
    return self._given or table.names or in_order(table.classes)

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

  def labels(self) -> np.ndarray:
    """Returns all labels (n,)."""
    return self._labels

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
