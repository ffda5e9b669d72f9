"""Tables of paths with classes or boxes, in csv or tsv."""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from vision_jax.data.errors import DataError, some
from vision_jax.data.found import split_of
from vision_jax.data.sources.boxed import Boxes
from vision_jax.data.sources.csv_lines import check_once, header, rows
from vision_jax.data.sources.labelled import Labels
from vision_jax.data.sources.split_images import FileImages, Index

PATH = (
  *("filename", "file_name", "filepath", "file_path", "file", "path"),
  *("image_path", "imagepath", "image", "image_name", "img", "imageid"),
  *("image_id", "id", "name"),
)
CLASS = (
  *("class", "label", "class_name", "classname", "label_name", "labelname"),
  *("category", "category_name", "target", "species", "breed", "diagnosis"),
  "class_id",
)
SPLIT = ("split", "subset", "set", "usage", "partition")
CORNERS = (
  ("xmin", "ymin", "xmax", "ymax"),
  ("x_min", "y_min", "x_max", "y_max"),
  ("x1", "y1", "x2", "y2"),
  ("left", "top", "right", "bottom"),
)
_FLAGS = {"isgroupof": "crowd", "iscrowd": "crowd", "difficult": "ignore"}
_SIZE = ("height", "width")
_FRACTION = "imageid"  # Open Images' column; its boxes are fractions


@dataclasses.dataclass(frozen=True)
class Columns:
  """Which column of a table says what; None where none does."""

  path: str
  label: str
  split: str | None
  corners: tuple[str, ...] | None


def columns(path: pathlib.Path) -> Columns:
  """Returns the columns by what they say.

  Raises:
    DataError: if none has paths, or none classes.
  """
  names = {name.strip().casefold(): name for name in header(path)}
  first = lambda known: next((names[k] for k in known if k in names), None)
  found, label = first(PATH), first([k for k in CLASS if k in names])
  for what, column, known in (
    ("the images' paths", found, PATH),
    ("their classes", label, CLASS),
  ):
    if column is None:
      raise DataError(
        f"table {path}: has the columns {some(names.values()) or 'none'}, and "
        f"none with {what}; expected one called {some(known)}. Name it in the "
        "first line."
      )
  corners = [c for c in CORNERS if all(name in names for name in c)]
  box = tuple(names[c] for c in corners[0]) if corners else None
  return Columns(found, label, first(SPLIT), box)


def check_corners(path: pathlib.Path) -> None:
  """Checks that a table has all the corners of boxes, or none.

  Raises:
    DataError: naming the columns that lack.
  """
  names = {name.strip().casefold() for name in header(path)}
  corners = max(CORNERS, key=lambda four: len(names.intersection(four)))
  lacking = [name for name in corners if name not in names]
  if 0 < len(lacking) < 3:
    there = [name for name in corners if name in names]
    raise DataError(
      f"table {path}: has the columns {some(there)} of boxes, and no "
      f"{some(lacking)}; expected all four, or none of them. Add what is "
      "missing, or remove the others."
    )


def read_labels(
  folder: pathlib.Path,
  paths: Sequence[pathlib.Path],
  split: str | None,
  names: Mapping[str, str],
) -> Labels:
  """Returns the images that tables name, with their classes."""
  files, classes, _ = _read(folder, paths, split)
  check_once(
    files,
    f"table {some(paths)}",
    "with one class. Remove one line; if they are boxes, name the columns of "
    f"corners {some(CORNERS[0])}",
  )
  given = [names.get(name, name) for name in classes]
  return Labels(FileImages(folder, files), given)


def read_boxes(
  folder: pathlib.Path,
  paths: Sequence[pathlib.Path],
  split: str | None,
  names: Mapping[str, str],
) -> Boxes:
  """Returns the images that tables name, with a box for each line.

  Boxes are fractions where the first column is Open Images', or no value is
  larger than 1.
  """
  files, classes, lines = _read(folder, paths, split)
  images = list(dict.fromkeys(files))
  place = {path: i for i, path in enumerate(images)}
  image = np.array([place[path] for path in files], np.int64)
  order = np.argsort(image, kind="stable")
  where = [line.where for line in lines]
  boxes = np.array([line.box() for line in lines], np.float64).reshape(-1, 4)
  given = any(line.columns.path.casefold() == _FRACTION for line in lines)
  fractions = given or bool(boxes.size and boxes.max() <= 1)
  if given and boxes.size and boxes.max() > 1.001:
    i = int(np.argmax(boxes.max(1)))
    raise DataError(
      f"{where[i]}: has the corners {some(boxes[i])}, in pixels it seems; "
      "expected fractions of the image, from 0 to 1, as Open Images has "
      "them. Divide them, or call the first column filename."
    )
  in_order = lambda values: [values[i] for i in order]
  return Boxes(
    FileImages(folder, images),
    image[order],
    [names.get(name, name) for name in in_order(classes)],
    boxes[order],
    in_order(where),
    fractions=fractions,
    flags=_flags(lines, order),
  )


@dataclasses.dataclass(frozen=True)
class _Line:
  """A line of a table."""

  where: str
  row: Mapping[str, str]
  columns: Columns

  def box(self) -> list[float]:
    """Returns its corners.

    Raises:
      DataError: if one is no number.
    """
    try:
      return [float(self.row[name]) for name in self.columns.corners]
    except (TypeError, ValueError):
      raise DataError(
        f"{self.where}: has the corners "
        f"{some(repr(self.row[name]) for name in self.columns.corners)}; "
        "expected four numbers. Correct the line."
      ) from None


def _flags(lines: Sequence[_Line], order: np.ndarray) -> dict[str, np.ndarray]:
  flags = {}
  for column in lines[0].row if lines else ():
    if flag := _FLAGS.get((column or "").casefold()):
      values = [line.row.get(column) in ("1", "true", "True") for line in lines]
      flags[flag] = np.array(values, np.float32)[order]
  return flags


def _read(
  folder: pathlib.Path, paths: Sequence[pathlib.Path], split: str | None
) -> tuple[list[pathlib.Path], list[str], list[_Line]]:
  """Returns each line's image, class and place."""
  index = Index(folder)
  files, classes, lines = [], [], []
  for path in paths:
    named = columns(path)
    near = _near(folder, path, split)
    for i, row in enumerate(rows(path)):
      where = f"table {path}, line {i + 2}"
      if named.split and split and split_of(row[named.split].strip()) != split:
        continue
      line = _Line(where, row, named)
      files.append(index.find(_text(line, named.path), where, near))
      classes.append(_text(line, named.label))
      lines.append(line)
  return files, classes, lines


def _near(
  folder: pathlib.Path, path: pathlib.Path, split: str | None
) -> list[str]:
  """Returns the folders that a table's paths may be seen from."""
  base = path.parent.relative_to(folder).as_posix()
  base = "" if base == "." else f"{base}/"
  parts = ["images", *([split] if split else [])]
  return [base, "", *(f"{base}{part}/" for part in parts)]


def _text(line: _Line, column: str) -> str:
  text = (line.row.get(column) or "").strip()
  if not text:
    raise DataError(
      f"{line.where}: has no {column}; expected one. Correct the line."
    )
  return text
