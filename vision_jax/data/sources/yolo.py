"""Files of YOLO's form: names in a yaml, and a text for each image."""

import os
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np
import yaml

from vision_jax.data.errors import DataError, some
from vision_jax.data.files import find_images
from vision_jax.data.places import place_inside
from vision_jax.data.sources.boxed import Boxes
from vision_jax.data.sources.split_images import FileImages

_ROUNDING = 1e-3  # by which a side may leave its image without being pixels


def read_yaml(path: pathlib.Path) -> Mapping[str, object] | None:
  """Returns a yaml that has `names`; None for another.

  Raises:
    DataError: if it cannot be read.
  """
  try:
    content = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
  except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
    raise DataError(
      f"YOLO file {path}: cannot be read ({error}); expected yaml with names, "
      "train and val. Correct the file."
    ) from error
  return content if isinstance(content, dict) and "names" in content else None


def read_names(
  path: pathlib.Path, content: Mapping[str, object]
) -> tuple[str, ...]:
  """Returns the classes of a data.yaml, in the order of their numbers.

  Raises:
    DataError: if they are no list, or leave numbers out.
  """
  names = content["names"]
  if isinstance(names, dict) and set(names) == set(range(len(names))):
    names = [names[i] for i in range(len(names))]
  number = content.get("nc", len(names) if isinstance(names, list) else None)
  if not isinstance(names, list) or not names or number != len(names):
    raise DataError(
      f"YOLO file {path}: has the names {names!r:.200} and nc {number!r}; "
      "expected a list of classes, as many as nc, or 0: NAME, 1: NAME, ... "
      "Correct the file."
    )
  return tuple(map(str, names))


def read_split(
  folder: pathlib.Path, places: Sequence[pathlib.Path], names: Sequence[str]
) -> Boxes:
  """Returns the images of a split with their boxes.

  Args:
    folder: the data's folder, which paths must not leave.
    places: folders of images, or lists of their paths. The text of
      images/a/1.jpg is labels/a/1.txt, or lies beside it; without one, an
      image has no boxes.
    names: names of the classes.

  Raises:
    DataError: naming the file and the line that is wrong.
  """
  paths = [path for place in places for path in _images(folder, place)]
  image, classes, rows, where = [], [], [], []
  for i, path in enumerate(paths):
    text = _text_of(folder, path)
    if text is None:
      continue
    for number, line in enumerate(_lines(text), 1):
      if line.strip():
        place = f"YOLO labels {text}, line {number}"
        name, box = _read_line(line, names, place)
        image.append(i)
        classes.append(name)
        rows.append(box)
        where.append(place)
  return Boxes(
    FileImages(folder, paths),
    np.array(image, np.int64),
    classes,
    np.array(rows, np.float64).reshape(-1, 4),
    where,
    fractions=True,
    names=tuple(names),
  )


def _images(
  folder: pathlib.Path, place: pathlib.Path
) -> Sequence[pathlib.Path]:
  if place.is_dir():
    return find_images(place).files
  lines = [line.strip() for line in _lines(place) if line.strip()]
  where = f"YOLO list {place}"
  return [place_inside(folder, place.parent, line, where) for line in lines]


def _text_of(folder: pathlib.Path, image: pathlib.Path) -> pathlib.Path | None:
  parts = pathlib.Path(os.path.relpath(image, folder)).parts
  texts = [image.with_suffix(".txt")]
  for i, part in enumerate(parts):
    if part.casefold() in ("images", "jpegimages"):
      swapped = pathlib.Path(*parts[:i], "labels", *parts[i + 1 :])
      texts.insert(0, folder / swapped.with_suffix(".txt"))
  return next((text for text in texts if text.is_file()), None)


def _lines(path: pathlib.Path) -> list[str]:
  try:
    return path.read_text(encoding="utf-8-sig").split("\n")
  except (OSError, UnicodeDecodeError) as error:
    raise DataError(
      f"YOLO file {path}: cannot be read ({error}); expected plain text. "
      "Correct the file."
    ) from error


def _read_line(
  line: str, names: Sequence[str], where: str
) -> tuple[str, list[float]]:
  """Returns the class, and the box as xyxy fractions."""
  try:
    first, *rest = map(float, line.split())
  except ValueError:
    first, rest = -1.0, []
  outline = len(rest) >= 6 and len(rest) % 2 == 0
  if not (len(rest) in (4, 5) or outline) or first != int(first):
    raise DataError(
      f"{where}: is {line.strip()!r:.100}; expected CLASS X Y WIDTH HEIGHT, or "
      "CLASS and the corners of an outline. Correct the line."
    )
  if not 0 <= first < len(names):
    raise DataError(
      f"{where}: has the class {first:g}; expected 0 to {len(names) - 1}, as "
      f"there are {len(names)} names, {some(names)}. Correct the line, or add "
      "the names."
    )
  values = np.array(rest if outline else rest[:4])
  if not (values <= 1 + _ROUNDING).all():
    raise DataError(
      f"{where}: is {line.strip()!r:.100}, in pixels it seems; expected "
      "fractions of the image's width and height, from 0 to 1. Divide them."
    )
  return names[int(first)], _corners(values, outline)


def _corners(values: np.ndarray, outline: bool) -> list[float]:
  if outline:
    x, y = values[::2], values[1::2]
    return [x.min(), y.min(), x.max(), y.max()]
  x, y, w, h = values
  return [x - w / 2, y - h / 2, x + w / 2, y + h / 2]
