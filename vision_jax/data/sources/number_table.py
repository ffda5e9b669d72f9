"""Images with numbers, of a table in csv or tsv."""

import dataclasses
import functools
import math
import pathlib
from collections.abc import Sequence

import numpy as np

from vision_jax.data.errors import DataError, some
from vision_jax.data.files import files_in
from vision_jax.data.found import split_of
from vision_jax.data.source import Example, short_hash
from vision_jax.data.sources import csv_file, csv_lines
from vision_jax.data.sources.split_images import FileImages, Images, Index
from vision_jax.data.sources.table_source import TableSource


@dataclasses.dataclass(frozen=True)
class Numbers:
  """What a table says of n images: numbers (n, t) float32."""

  images: Images
  numbers: np.ndarray


class NumberSource(TableSource[Numbers]):
  """A split of images with numbers; examples have `image` and `number` (t,)."""

  def numbers(self) -> np.ndarray:
    """Returns the numbers of all images, (n, t) float32."""
    return self._table.numbers

  def read(self, indices: np.ndarray) -> list[Example]:
    """Returns images with their numbers."""
    images, numbers = self._table.images, self._table.numbers
    return [
      {"name": images.place(i), "image": images.read(i), "number": numbers[i]}
      for i in map(int, indices)
    ]

  def fingerprint(self) -> str:
    """Returns a hash of images and numbers."""
    table = self._table
    return short_hash(table.images.fingerprint(), table.numbers)


class NumberTable:
  """A folder of images with a table of their paths and numbers.

  Args:
    folder: with one csv or tsv in it. A column has paths, as seen from the
      folder, and one may have splits; see `csv_file`.
    columns: those of the numbers; () for all others.

  Raises:
    DataError: if there is no such table, or no such column.
  """

  def __init__(self, folder: pathlib.Path, columns: Sequence[str] = ()):
    self.folder = pathlib.Path(folder)
    tables = files_in(self.folder, ".csv", ".tsv") if folder else []
    if len(tables) != 1:
      raise DataError(
        f"--config.data_dir: {folder or 'nothing'} has "
        f"{some(x.name for x in tables) or 'no table'}; expected a folder with "
        "one csv or tsv, of images' paths and their numbers."
      )
    self.path = tables[0]
    names = csv_lines.header(self.path)
    first = lambda known: next(
      (x for k in known for x in names if x.strip().casefold() == k), None
    )
    self._image, self._split = first(csv_file.PATH), first(csv_file.SPLIT)
    # What has no name counts the lines, as pandas writes it.
    used = ("", self._image, self._split)
    others = [x for x in names if x.strip() not in used and x not in used]
    lacking = [x for x in columns if x not in others]
    if self._image is None or lacking or not others:
      raise DataError(
        f"table {self.path}: has the columns {some(names) or 'none'}; expected "
        f"one of paths, called {some(csv_file.PATH)}, and of numbers "
        f"{some(lacking) or 'one at least'}. Name them in the first line, or "
        "by --config.columns."
      )
    self.number_names = tuple(columns) or tuple(others)
    if twice := sorted({x for x in names if names.count(x) > 1} - {""}):
      raise DataError(
        f"table {self.path}: has several columns {some(map(repr, twice))}; "
        "expected a name of its own for each. Rename or remove one."
      )

  def splits(self) -> list[str]:
    """Returns the splits that a column names; [] without such a column."""
    if not self._split:
      return []
    found = csv_lines.splits_in(self.path, self._split)
    return [x for x in ("train", "val", "test") if x in found]

  def open(self, split: str | None = None) -> NumberSource:
    """Returns a split's images, or all: read on first use."""
    where = f"table {self.path}" + (f", {split}" if split else "")
    return NumberSource(functools.partial(self._read, split), where)

  def _read(self, split: str | None) -> Numbers:
    index, files, numbers = Index(self.folder), [], []
    for i, row in enumerate(csv_lines.rows(self.path)):
      if split and split_of((row[self._split] or "").strip()) != split:
        continue
      where = f"table {self.path}, line {i + 2}"
      name = (row[self._image] or "").strip()
      near = ("", "images/", *([f"{split}/"] if split else []))
      files.append(index.find(name, where, near))
      numbers.append([_number(row[x], x, where) for x in self.number_names])
    where = f"table {self.path}"
    csv_lines.check_once(files, where, "with its numbers. Remove one line")
    shape = (-1, len(self.number_names))
    values = np.asarray(numbers, np.float32).reshape(shape)
    return Numbers(FileImages(self.folder, files), values)


def _number(text: str | None, column: str, where: str) -> float:
  try:
    value = math.nan if "_" in (text or "") else float(text or "")
  except ValueError:
    value = math.nan
  if not abs(value) <= float(np.finfo(np.float32).max):
    raise DataError(
      f"{where}: has {column} {text or ''!r}; expected a finite number, "
      "written with a point. Correct the line, leave it out, or name the "
      "columns of numbers by --config.columns."
    )
  return value
