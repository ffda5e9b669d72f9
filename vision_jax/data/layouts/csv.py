"""Tables of paths: a class for each image, or a line for each box."""

import csv
import functools
import pathlib
from collections.abc import Sequence

from vision_jax.data.errors import DataError, some
from vision_jax.data.files import files_in, folders_in
from vision_jax.data.found import (
  BOXES,
  LABELS,
  SPLITS,
  Found,
  by_split,
  checked,
)
from vision_jax.data.sources import csv_file
from vision_jax.data.sources.boxed import BoxedSource
from vision_jax.data.sources.csv_lines import splits_in
from vision_jax.data.sources.labelled import LabelledSource


def recognise(folder: pathlib.Path) -> Found | None:
  """Takes tables in a folder and those in it whose first line names columns.

  A table of Open Images' descriptions of classes is taken for their names.
  """
  inside = folders_in(folder).values()
  files = [p for at in (folder, *inside) for p in files_in(at, ".csv", ".tsv")]
  names = _descriptions(files)
  tables, near = [], []
  for path in files:
    try:
      tables.append((path, csv_file.columns(path)))
    except DataError as error:
      near.append(error)
    else:
      csv_file.check_corners(path)
  if not tables:
    if near:
      raise near[0]
    return None
  boxed = [pair for pair in tables if pair[1].corners]
  has = BOXES if boxed else LABELS
  return _found(folder, has, [path for path, _ in boxed or tables], names)


def _found(
  folder: pathlib.Path,
  has: str,
  paths: Sequence[pathlib.Path],
  names: dict[str, str],
) -> Found:
  column = csv_file.columns(paths[0]).split
  if len(paths) == 1 and column:
    given = splits_in(paths[0], column)
    splits = {s: paths for s in SPLITS if s in given}
  else:
    splits = by_split(folder, paths, "the table")
  read = csv_file.read_boxes if has == BOXES else csv_file.read_labels
  source = BoxedSource if has == BOXES else LabelledSource
  shown = some(path.relative_to(folder).as_posix() for path in paths)
  opened = {
    split: functools.partial(
      source,
      functools.partial(read, folder, files, split, names),
      f"table {some(files)}, {split}",
    )
    for split, files in checked(splits, folder).items()
  }
  given = csv_file.columns(paths[0])
  why = f"{shown} with the columns {given.path} and {given.label}"
  return Found("csv", has, why + (" and corners" * (has == BOXES)), opened)


def _descriptions(files: Sequence[pathlib.Path]) -> dict[str, str]:
  """Returns Open Images' names of its classes, /m/011k07 -> Tortoise."""
  names = {}
  for path in files:
    if "class-descriptions" in path.name:
      with path.open(encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.reader(file) if len(row) == 2]
      names |= {row[0]: row[1] for row in rows}
  return names
