"""A json file of COCO's form, read and checked as a whole."""

import collections
import dataclasses
import functools
import json
import logging
import math
import pathlib
from collections.abc import Callable, Sequence

import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.data.sources.class_names import some

_LARGEST = 2**31 - 1  # of a height or width
Id = int | str  # of an image, or a category
Row = dict[str, object]  # of a list in the json
_LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class CocoFile:
  """What a file says of m images with n boxes and its categories.

  Attributes:
    path: the file's path.
    image_ids, file_names: of each image, m.
    size: (m, 2) int32, height and width.
    names: category id -> name, in the order of the ids.
    image: (n,) the place of each box's image, 0 ... m - 1.
    category: the id of each box's category, n.
    boxes: (n, 4) xywh in pixels; NaN where `malformed`.
    area: (n,), crowd: (n,) float32.
    malformed: place of an annotation whose bbox is not four numbers -> it.
    columns: key -> of each annotation, as the file has it, for those asked for.
    categories: category id -> its entry, as the file has it.
  """

  path: pathlib.Path
  image_ids: tuple[Id, ...]
  file_names: tuple[str, ...]
  size: np.ndarray
  names: dict[Id, str]
  image: np.ndarray
  category: tuple[Id, ...]
  boxes: np.ndarray
  area: np.ndarray
  crowd: np.ndarray
  malformed: dict[int, str]
  columns: dict[str, tuple[object, ...]]
  categories: dict[Id, Row]

  @functools.cached_property
  def counts(self) -> collections.Counter[Id]:
    """Category id -> how many annotations it has."""
    return collections.Counter(self.category)

  @functools.cached_property
  def class_names(self) -> tuple[str, ...]:
    """Names of the categories that have annotations, in their ids' order.

    A grouping category beside the classes has none, and is left out.
    """
    empty = [
      f"{i} {n!r}" for i, n in self.names.items() if i not in self.counts
    ]
    if len(empty) == len(self.names):
      raise DataError(
        f"COCO file {self.path}: no category has an annotation; expected at "
        "least one. Check the file, or name the classes with "
        "--config.class_names."
      )
    if empty:
      _LOG.warning(
        "COCO file %s: left out the categories without any annotation: %s.",
        *(self.path, some(empty)),
      )
    names = tuple(n for i, n in self.names.items() if i in self.counts)
    self.ids_of(names)  # no two of them are the same
    return names

  def ids_of(self, class_names: Sequence[str]) -> tuple[Id | None, ...]:
    """Returns the id of each class, None for those that the file lacks.

    Raises:
      DataError: if the annotations are of a category with another name, or two
        with one name.
    """
    ids: dict[str, Id] = {}
    for i in self.counts:
      if (name := self.names[i]) in ids:
        raise DataError(
          f"COCO file {self.path}: the categories {ids[name]!r} and {i!r} are "
          f"both named {name!r}, and both have annotations; expected names of "
          "their own. Rename one, or join them."
        )
      ids[name] = i
    if unknown := [name for name in ids if name not in set(class_names)]:
      name = unknown[0]
      raise DataError(
        f"COCO file {self.path}: category {ids[name]!r} {name!r}, with "
        f"{self.counts[ids[name]]} annotations, is none of the classes; "
        f"expected one of {some(class_names)}. Correct the file, or name all "
        "classes with --config.class_names."
      )
    for i, name in self.names.items():
      ids.setdefault(name, i)
    return tuple(ids.get(name) for name in class_names)


def read_coco(path: pathlib.Path, columns: tuple[str, ...] = ()) -> CocoFile:
  """Reads a file; one that has not changed since is not read again.

  Args:
    path: of the json file.
    columns: keys of annotations to keep as they are, such as "segmentation".

  Raises:
    DataError: if it is no such json, naming the entry that is wrong.
  """
  try:
    stat = path.stat()
  except OSError as error:
    raise DataError(_unreadable(path, error)) from error
  return _read(path, (stat.st_mtime_ns, stat.st_size), columns)


def _unreadable(path: pathlib.Path, error: Exception) -> str:
  return (
    f"COCO file {path}: cannot be read ({error}); expected a json file. Check "
    "--config.data_dir."
  )


@functools.lru_cache(maxsize=4)
def _read(
  path: pathlib.Path, stamp: tuple[int, int], columns: tuple[str, ...]
) -> CocoFile:
  del stamp
  content = _load(path)
  fail = functools.partial(_fail, path)
  images, rows = content["images"], content["annotations"]
  place = _ids(images, "images", fail)
  names = _names(content["categories"], fail)
  sizes = [_size(entry, f"images[{i}]", fail) for i, entry in enumerate(images)]
  kept = [_annotation(j, row, place, names, fail) for j, row in enumerate(rows)]
  column = lambda k, *shape: np.array([x[k] for x in kept]).reshape(-1, *shape)
  boxes = column(2, 4).astype(np.float64)
  bad = np.flatnonzero(np.isnan(boxes).any(1)).tolist()
  return CocoFile(
    path,
    tuple(place),
    tuple(
      _text(e, "file_name", f"images[{i}]", fail) for i, e in enumerate(images)
    ),
    np.array(sizes, np.int32).reshape(-1, 2),
    names,
    column(0).astype(np.int64),
    tuple(x[1] for x in kept),
    boxes,
    column(3).astype(np.float32),
    column(4).astype(np.float32),
    {j: repr(rows[j].get("bbox"))[:80] for j in bad},
    {key: tuple(row.get(key) for row in rows) for key in columns},
    {entry["id"]: entry for entry in content["categories"]},
  )


def _fail(path: pathlib.Path, what: str, expected: str, fix: str = "") -> None:
  fix = fix or "Correct the file."
  raise DataError(f"COCO file {path}: {what}; expected {expected}. {fix}")


def _load(path: pathlib.Path) -> dict[str, list[Row]]:
  try:
    content = json.loads(path.read_text(encoding="utf-8-sig"))
  except (OSError, ValueError, RecursionError) as error:
    raise DataError(_unreadable(path, error)) from error
  for key, fields in (
    ("images", ("id", "file_name", "height", "width")),
    ("annotations", ()),
    ("categories", ("id",)),
  ):
    entries = content.get(key) if isinstance(content, dict) else None
    if not isinstance(entries, list):
      raise DataError(
        f"COCO file {path}: is json, but has no list {key!r}; expected COCO's "
        "form, an object with the lists images, annotations and categories."
      )
    for i, entry in enumerate(entries):
      if not isinstance(entry, dict):
        _fail(path, f"{key}[{i}] is {_short(entry)}", "an object, {...}")
      if missing := [f for f in fields if f not in entry]:
        _fail(
          path,
          f"{key}[{i}] has no {', '.join(missing)}",
          f"{', '.join(fields)} in each of {key}",
        )
  return content


def _ids(entries: list, key: str, fail: Callable) -> dict[Id, int]:
  """Returns id -> place; ids are all integers, or all texts."""
  place: dict[Id, int] = {}
  for i, entry in enumerate(entries):
    new = entry["id"]
    if type(new) not in (int, str):
      fail(f"{key}[{i}] has the id {_short(new)}", "an integer or a text")
    if new in place:
      fail(
        f"{key}[{place[new]}] and {key}[{i}] both have the id {new!r}",
        "ids of their own",
      )
    place[new] = i
  if len({type(i) for i in place}) > 1:
    fail(f"{key} has ids of mixed types, {some(map(repr, place))}", "one type")
  return place


def _names(categories: list, fail: Callable) -> dict[Id, str]:
  place = _ids(categories, "categories", fail)
  names = {}
  for i in sorted(place):
    entry, where = categories[place[i]], f"categories[{place[i]}]"
    has = entry.get("name") is not None
    names[i] = _text(entry, "name", where, fail) if has else str(i)
  return names


def _text(entry: dict, key: str, where: str, fail: Callable) -> str:
  text = entry[key]
  if not isinstance(text, str) or not text.strip() or "\0" in text:
    fail(f"{where} has the {key} {_short(text)}", "a text that is not empty")
  return text


def _size(entry: dict, where: str, fail: Callable) -> tuple[int, int]:
  size = entry["height"], entry["width"]
  for number in size:
    if not is_number(number) or number < 1 or number != int(number):
      fail(
        f"{where} has height {_short(size[0])} and width {_short(size[1])}",
        "those of the image, in pixels",
      )
  return int(size[0]), int(size[1])


def _annotation(
  j: int, row: dict, place: dict, names: dict, fail: Callable
) -> tuple[int, Id, list[float], float, float]:
  """Returns place of the image, category id, bbox, area and crowd."""
  where = f"annotations[{j}]"
  image, category = row.get("image_id"), row.get("category_id")
  if type(category) not in (int, str) or category not in names:
    fail(
      f"{where} has category_id {_short(category)}, which is missing from "
      "`categories`",
      f"one of {some(names)}",
      "Add the category.",
    )
  if type(image) not in (int, str) or image not in place:
    fail(
      f"{where} has image_id {_short(image)}, which is missing from `images`",
      "one of them",
      "Add the image, or remove the annotation.",
    )
  box = row.get("bbox")
  if not (isinstance(box, list) and len(box) == 4 and all(map(is_number, box))):
    box = [math.nan] * 4
  crowd, area = row.get("iscrowd", 0), row.get("area", box[2] * box[3])
  if "area" in row and not (is_number(area)):
    fail(f"{where} has the area {_short(area)}", "a number")
  if crowd not in (0, 1):
    fail(f"{where} has iscrowd {_short(crowd)}", "0 or 1")
  return place[image], category, box, area, float(crowd)


def is_number(value: object) -> bool:
  """Whether it is a number of a sane size; NaN and infinity are not."""
  return type(value) in (int, float) and abs(value) < _LARGEST


def _short(value: object) -> str:
  text = repr(value)
  return text if len(text) <= 80 else text[:77] + "..."
