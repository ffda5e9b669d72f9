"""Tables of Hugging Face's `datasets`, by pyarrow: images as bytes or paths.

Images are kept in memory as they are encoded; an arrow file is mapped.
"""

import dataclasses
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vision_jax.data.errors import DataError, some
from vision_jax.data.source import short_hash
from vision_jax.data.sources.arrow_files import read_columns, schema_of
from vision_jax.data.sources.boxed import Boxes
from vision_jax.data.sources.labelled import Labels
from vision_jax.data.sources.split_images import FileImages, Images, Index

if TYPE_CHECKING:  # it is of an extra
  import pyarrow

_IMAGES = ("image", "img", "pixel_values", "image_path", "file_name")
_LABELS = ("label", "labels", "class", "fine_label", "category", "target")
_OBJECTS = ("objects", "annotations", "faces")
_BOXES = ("bbox", "bboxes", "boxes", "box")
_CLASSES = ("category", "categories", "label", "labels", "class", "category_id")


@dataclasses.dataclass(frozen=True)
class Columns:
  """Which columns of a table say what.

  Attributes:
    image: has the images.
    label: has their classes; "" none.
    objects: has boxes and classes; "" none.
    names: names of the classes, in the order of their numbers; () unknown.
  """

  image: str
  label: str
  objects: str
  names: tuple[str, ...]

  @property
  def annotation(self) -> str:
    """The column of an image's annotation."""
    return self.objects or self.label


def columns_of(path: pathlib.Path) -> Columns:
  """Returns the columns of a file by their names.

  Raises:
    DataError: if none has images, or none classes.
  """
  schema = schema_of(path)
  first = lambda known: next((n for n in known if n in schema.names), "")
  image, label, objects = map(first, (_IMAGES, _LABELS, _OBJECTS))
  if not image or not (label or objects):
    missing = "classes or boxes" if image else "images"
    known = (*_LABELS, *_OBJECTS) if image else _IMAGES
    raise DataError(
      f"table {path}: has the columns {some(schema.names) or 'none'}, and none "
      f"with {missing}; expected one called {some(known)}. Rename it."
    )
  features = _features(path, schema)
  given = features.get(objects or label)
  return Columns(image, label, objects, tuple(_names(given)))


def read_labels(folder: pathlib.Path, paths: Sequence[pathlib.Path]) -> Labels:
  """Returns the images of a split's files, with their classes."""
  columns = columns_of(paths[0])
  table = read_columns(paths, [columns.image, columns.label])
  values = table[columns.label].to_pylist()
  where = _where(paths)
  classes = [
    _class(value, columns.names, f"{where}, row {i}")
    for i, value in enumerate(values)
  ]
  images = _images(folder, where, table[columns.image])
  return Labels(images, classes, columns.names)


def read_boxes(folder: pathlib.Path, paths: Sequence[pathlib.Path]) -> Boxes:
  """Returns the images of a split's files, with their boxes.

  `objects` has bbox, as COCO's (x, y, width, height in pixels), and category.
  """
  columns, where = columns_of(paths[0]), _where(paths)
  sizes = [n for n in ("height", "width") if n in schema_of(paths[0]).names]
  table = read_columns(paths, [columns.image, columns.objects, *sizes])
  image, classes, boxes, places = [], [], [], []
  for i, given in enumerate(table[columns.objects].to_pylist()):
    for j, (name, box) in enumerate(_objects(given, f"{where}, row {i}")):
      place = f"{where}, row {i}: box {j}"
      image.append(i)
      classes.append(_class(name, columns.names, place))
      boxes.append(_corners(box, place))
      places.append(place)
  size = [table[name].to_numpy() for name in sizes]
  return Boxes(
    _images(folder, where, table[columns.image]),
    np.array(image, np.int64),
    classes,
    np.array(boxes, np.float64).reshape(-1, 4),
    places,
    size=np.stack(size, 1) if len(size) == 2 else None,
    names=columns.names,
  )


class _TableImages:
  """Encoded images in a column, with the paths that it tells."""

  def __init__(self, where: str, column: "pyarrow.ChunkedArray"):
    self.where, self._column = where, column
    given = _field(column, "path")
    names = given.to_pylist() if given is not None else [None] * len(column)
    self.names = [name or str(i) for i, name in enumerate(names)]
    self._bytes = _field(column, "bytes")
    if self._bytes is None:
      self._bytes = column

  def place(self, i: int) -> str:
    """Returns where it is, and its name."""
    return f"{self.where}, row {i} ({self.names[i]})"

  def read(self, i: int) -> bytes:
    """Returns its bytes."""
    return self._bytes[i].as_py()

  def fingerprint(self) -> str:
    """Returns a hash of the content."""
    return short_hash(self.names, *self._bytes.to_pylist())


def _images(
  folder: pathlib.Path, where: str, column: "pyarrow.ChunkedArray"
) -> Images:
  """Returns the images of a column of bytes, of paths, or of both."""
  import pyarrow

  inside = _field(column, "bytes")
  if pyarrow.types.is_string(column.type) or (
    inside is not None and inside.null_count == len(column)
  ):
    paths = column if inside is None else _field(column, "path")
    index = Index(folder)
    found = [
      index.find(name or "", f"{where}, row {i}")
      for i, name in enumerate(paths.to_pylist())
    ]
    return FileImages(folder, found)
  values = column if inside is None else inside
  binary = pyarrow.types.is_binary, pyarrow.types.is_large_binary
  if values.null_count or not any(kind(values.type) for kind in binary):
    raise DataError(
      f"{where}: the column of images has the type {column.type} and "
      f"{values.null_count} rows without one; expected encoded images, or "
      "paths of files. Save the set with its images."
    )
  return _TableImages(where, column)


def _field(
  column: "pyarrow.ChunkedArray", name: str
) -> "pyarrow.ChunkedArray | None":
  import pyarrow
  import pyarrow.compute

  kind = column.type
  if not pyarrow.types.is_struct(kind) or kind.get_field_index(name) < 0:
    return None
  return pyarrow.compute.struct_field(column, name)


def _objects(given: Any, where: str) -> list[tuple[Any, Any]]:
  """Returns (class, bbox) of a row, a struct of lists or a list of structs."""
  key = lambda row, known: next((k for k in known if k in row), None)
  if given is None:
    return []
  rows = given if isinstance(given, list) else [given]
  pairs = []
  for row in rows:
    box, name = key(row, _BOXES), key(row, _CLASSES)
    if box is None or name is None:
      raise DataError(
        f"{where}: its objects have {some(row)}; expected bbox and category. "
        "Save the set anew."
      )
    several = not isinstance(given, list)
    pairs += zip(row[name], row[box], strict=True) if several else []
    pairs += [] if several else [(row[name], row[box])]
  return pairs


def _corners(box: Any, where: str) -> list[float]:
  if not isinstance(box, list) or len(box) != 4 or None in box:
    raise DataError(
      f"{where}: has bbox {box!r:.80}; expected [x, y, width, height] in "
      "pixels. Correct the set."
    )
  x, y, w, h = map(float, box)
  return [x, y, x + w, y + h]


def _class(value: Any, names: Sequence[str], where: str) -> str:
  if isinstance(value, str) and value:
    return value
  if isinstance(value, int) and 0 <= value < (len(names) or value + 1):
    return names[value] if names else str(value)
  expected = f"0 to {len(names) - 1}" if names else "a name, or a number from 0"
  raise DataError(
    f"{where}: has the class {value!r:.80}; expected {expected}. Correct it, "
    "or leave the row out."
  )


def _features(
  path: pathlib.Path, schema: "pyarrow.Schema"
) -> Mapping[str, Any]:
  """Returns what the set says of its columns."""
  given = (schema.metadata or {}).get(b"huggingface")
  info = path.parent / "dataset_info.json"
  try:
    if given:
      return json.loads(given)["info"]["features"]
    if info.is_file():
      return json.loads(info.read_bytes()).get("features") or {}
  except (ValueError, KeyError, TypeError):
    return {}  # then names are not known, and numbers stand for them
  return {}


def _names(feature: Any) -> Sequence[str]:
  """Returns the names of the first ClassLabel in a feature."""
  if isinstance(feature, dict):
    if feature.get("_type") == "ClassLabel":
      return feature.get("names") or ()
    feature = list(feature.values())
  inside = feature if isinstance(feature, list) else ()
  return next((found for x in inside if (found := _names(x))), ())


def _where(paths: Sequence[pathlib.Path]) -> str:
  return f"table {paths[0]}" + (" and others" if len(paths) > 1 else "")
