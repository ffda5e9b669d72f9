"""The lines of a table in csv or tsv, whatever they say."""

import collections
import csv
import functools
import pathlib
from collections.abc import Iterable
from typing import Any

from vision_jax.data.errors import DataError, some
from vision_jax.data.found import split_of

_WRONG = (OSError, UnicodeDecodeError, csv.Error)


def header(path: pathlib.Path) -> list[str]:
  """Returns the names of the columns."""
  try:
    with path.open(encoding="utf-8-sig", newline="") as file:
      return next(csv.reader(file, _dialect(path)), [])
  except _WRONG as error:
    raise _unreadable(path, error) from error


def rows(path: pathlib.Path) -> list[dict[str, str]]:
  """Returns the lines after the first; read anew where the file changed.

  Raises:
    DataError: for a line of more cells than there are columns.
  """
  return _rows(path, path.stat().st_mtime_ns)


def splits_in(path: pathlib.Path, column: str) -> dict[str, str]:
  """Returns split -> how the column spells it.

  Raises:
    DataError: if a line has none.
  """
  found = {}
  for i, row in enumerate(rows(path)):
    text = row[column] or ""
    split = split_of(text.strip())
    if split is None:
      raise DataError(
        f"table {path}, line {i + 2}: has {column} {text!r}; expected train, "
        "val or test. Correct the line."
      )
    found[split] = text
  return found


def check_once(files: Iterable[pathlib.Path], where: str, rest: str) -> None:
  """Refuses a table that names an image in several lines.

  Args:
    files: the image of each line.
    where: what an error calls the table.
    rest: what was expected of an image, and the fix, without its full stop.
  """
  counts = collections.Counter(files)
  if twice := sorted(str(path) for path, n in counts.items() if n > 1):
    raise DataError(
      f"{where}: names {some(twice, 3)} more than once; expected each image "
      f"once, {rest}."
    )


@functools.lru_cache(maxsize=4)
def _rows(path: pathlib.Path, stamp: int) -> list[dict[str, str]]:
  del stamp
  try:
    with path.open(encoding="utf-8-sig", newline="") as file:
      found = list(csv.DictReader(file, dialect=_dialect(path)))
  except _WRONG as error:
    raise _unreadable(path, error) from error
  for i, row in enumerate(found):
    _check_cells(row, f"table {path}, line {i + 2}")
  return found


def _check_cells(row: dict[str | None, Any], where: str) -> None:
  """Refuses a line with more cells than there are columns; empty ones may be.

  It has an unquoted comma in a text or in a number, whose rest would be lost.
  """
  if any(more := row.pop(None, ())):
    *_, last = row.values()
    raise DataError(
      f"{where}: has {len(row) + len(more)} cells, and the first line "
      f"{len(row)}; expected as many. If {last!r:.80} goes on with "
      f"{some(map(repr, more))}, put it in quotes; a number is written with a "
      "point."
    )


def _unreadable(path: pathlib.Path, error: Exception) -> DataError:
  return DataError(
    f"table {path}: cannot be read ({error}); expected csv in UTF-8. Save it "
    "anew."
  )


def _dialect(path: pathlib.Path) -> type[csv.Dialect]:
  class Dialect(csv.excel):
    delimiter = "\t" if path.suffix.lower() == ".tsv" else _delimiter(path)

  return Dialect


def _delimiter(path: pathlib.Path) -> str:
  with path.open(encoding="utf-8-sig") as file:
    line = file.readline()
  return max(",;\t|", key=line.count)
