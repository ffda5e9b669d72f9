"""Files of Pascal VOC's form: an annotation, and the list of a split."""

import os
import pathlib
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from typing import NamedTuple

from vision_jax.data.errors import DataError
from vision_jax.data.files import SUFFIXES
from vision_jax.data.places import place_inside

_LARGEST = 2**31 - 1  # of a height or width
_COLUMN = re.compile(r"(.*\S)\s+(-1|0|1)")  # of a class's own list
_YES, _NO = {"1", "true", "yes"}, {"", "0", "false", "no"}
_CORNERS = ("xmin", "ymin", "xmax", "ymax")


class Annotation(NamedTuple):
  """One image's file: its size (h, w), and an entry for each object.

  `filename` is the image's name; `boxes` are xyxy as they are written, and
  `difficult` is 0 or 1.
  """

  filename: str
  size: tuple[int, int]
  names: list[str]
  boxes: list[list[float]]
  difficult: list[float]


def parse(path: pathlib.Path) -> Annotation:
  """Reads one annotation.

  Raises:
    DataError: naming the file and the object that is wrong.
  """
  try:
    root = ElementTree.parse(path).getroot()
  # An unknown encoding is a LookupError, one of several bytes a ValueError.
  except (OSError, SyntaxError, LookupError, ValueError) as error:
    raise DataError(
      f"VOC annotation {path}: cannot be read ({error}); expected a file of "
      "VOC's XML for each image of the list."
    ) from error
  objects = root.findall("object")
  place = lambda i: f"VOC annotation {path}: object {i}"
  return Annotation(
    (root.findtext("filename") or "").strip(),
    _size(root, f"VOC annotation {path}"),
    [_name(o, place(i)) for i, o in enumerate(objects)],
    [
      [_number(o, f"bndbox/{key}", place(i)) for key in _CORNERS]
      for i, o in enumerate(objects)
    ],
    [_difficult(o, place(i)) for i, o in enumerate(objects)],
  )


def _size(root: ElementTree.Element, where: str) -> tuple[int, int]:
  size = [_number(root, f"size/{key}", where) for key in ("height", "width")]
  if not all(1 <= n <= _LARGEST and n == int(n) for n in size):
    raise DataError(
      f"{where}: <size> has height {size[0]:g} and width {size[1]:g}; expected "
      "those of the image, in pixels. Correct the annotation."
    )
  return int(size[0]), int(size[1])


def _name(element: ElementTree.Element, where: str) -> str:
  name = (element.findtext("name") or "").strip()
  if not name:
    raise DataError(
      f"{where} has no <name>, or an empty one; expected its class. Correct "
      "the annotation."
    )
  return name


def _number(element: ElementTree.Element, key: str, where: str) -> float:
  text = element.findtext(key)
  try:
    return float(text)
  except (TypeError, ValueError):
    raise DataError(
      f"{where}: <{element.tag}> has {key} {text!r}; expected a number. "
      "Correct the annotation."
    ) from None


def _difficult(element: ElementTree.Element, where: str) -> float:
  text = (element.findtext("difficult") or "").strip().lower()
  # Some tools write 1.0 or True.
  word = re.sub(r"^(\d+)\.0*$", r"\1", text)
  if word not in _YES | _NO:
    raise DataError(
      f"{where} has <difficult> {text!r}; expected 0 or 1. Correct the "
      "annotation."
    )
  return float(word in _YES)


def read_list(
  root: pathlib.Path, path: pathlib.Path, annotations: pathlib.Path
) -> list[str]:
  """Returns the names of images in a split's list, in its order.

  A line is a name, with or without the suffix of an image; a class's own list
  has a second column, -1, 0 or 1.

  Raises:
    DataError: if there is no such list, or a line has no annotation, is a path
      or is there twice.
  """
  if not path.is_file():
    have = sorted(p.stem for p in path.parent.glob("*.txt"))
    raise DataError(
      f"VOC folder {root}: has no list {path}; it has "
      f"{', '.join(have) or 'none'}. Check --config.data_dir and the split."
    )
  try:
    lines = path.read_text(encoding="utf-8-sig").splitlines()
  except (OSError, UnicodeDecodeError) as error:
    raise DataError(
      f"VOC list {path}: cannot be read ({error}); expected a name a line."
    ) from error
  first: dict[str, int] = {}
  for number, line in enumerate(lines, 1):
    if line := line.strip():
      name = _find(root, annotations, line, f"VOC list {path}, line {number}")
      if name in first:
        raise DataError(
          f"VOC list {path}: lines {first[name]} and {number} both name "
          f"{name!r}, which would count twice; expected each image once. "
          "Remove one."
        )
      first[name] = number
  if not first:
    raise DataError(f"VOC list {path}: is empty; expected a name a line.")
  return list(first)


def _find(
  root: pathlib.Path, annotations: pathlib.Path, line: str, where: str
) -> str:
  """Returns the name that a line means: the first with an annotation."""
  for name in _readings(line):
    if xml_of(root, annotations, name, where).is_file():
      return name
  raise DataError(
    f"{where}: names {line!r}, and there is no "
    f"{annotations / (line + '.xml')}; expected the name of an "
    "annotation, without folder and suffix. Correct the list, or add the file."
  )


def _readings(line: str) -> Iterator[str]:
  """Yields what a line may mean: a name may have spaces and dots itself."""
  column = _COLUMN.fullmatch(line)
  for name in (line, column[1]) if column else (line,):
    yield name
    stem, suffix = os.path.splitext(name)
    if suffix.lower() in SUFFIXES or suffix == ".xml":
      yield stem


def xml_of(
  root: pathlib.Path, annotations: pathlib.Path, name: str, where: str
) -> pathlib.Path:
  """Returns the path of an image's annotation, inside the root."""
  return place_inside(root, annotations, f"{name}.xml", where)
