"""What sources share whose examples are the rows of a table."""

import functools
import pathlib
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from vision_jax.data.errors import DataError
from vision_jax.data.pickled import AsMade, Lock
from vision_jax.data.sources.split_images import Images


class Table(Protocol):
  """Images, of which a table says something."""

  images: Images


Rows = TypeVar("Rows", bound=Table)


class TableSource(AsMade, Generic[Rows]):
  """A split of images with what a table says of them, by its kind of rows.

  Args:
    load: reads the table, once, on first use.
    where: what errors call it.
    class_names: names in the order of the labels; () takes the table's.

  Raises:
    DataError: on first use, for a table without images.
  """

  class_names: tuple[str, ...]

  def __init__(
    self, load: Callable[[], Rows], where: str, class_names: Sequence[str] = ()
  ):
    self._load, self._where = load, where
    self._given = tuple(class_names)
    self._lock = Lock()

  @functools.cached_property
  def _loaded(self) -> Rows:
    table = self._load()
    if not len(table.images.names):
      raise DataError(
        f"{self._where}: has no image; expected at least one. Check the split."
      )
    return table

  @property
  def _table(self) -> Rows:
    with self._lock:  # read once, by whichever thread is first
      return self._loaded

  @property
  def num_classes(self) -> int:
    """Number of classes."""
    return len(self.class_names)

  def __len__(self) -> int:
    return len(self._table.images.names)

  @property
  def files(self) -> list[pathlib.Path]:
    """Each image's path; [] where they are in larger files."""
    return list(getattr(self._table.images, "paths", ()))

  def paths(self) -> list[str]:
    """Returns each image's name in the data, as in "a/1.jpg"."""
    return list(self._table.images.names)
