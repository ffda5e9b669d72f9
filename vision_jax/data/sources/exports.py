"""Exports of tools that annotate: CVAT's xml and Label Studio's json."""

import json
import pathlib
import urllib.parse
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.data.found import split_of
from vision_jax.data.sources.boxed import Boxes
from vision_jax.data.sources.labelled import Labels
from vision_jax.data.sources.split_images import FileImages, Index

_CORNERS = ("xtl", "ytl", "xbr", "ybr")
Box = tuple[str, list[float], str]  # its class, corners and place


class _Image(NamedTuple):
  """An image of an export, with what annotations say of it."""

  name: str
  where: str
  size: tuple[int, int] | None
  classes: list[str]
  boxes: list[Box]


def cvat_splits(path: pathlib.Path) -> tuple[str, set[str]]:
  """Returns what images have, "boxes" or "labels", and their splits."""
  images = _cvat(path)
  has = (
    "boxes"
    if any(image.find("box") is not None for image in images)
    else ("labels")
  )
  return has, {_cvat_split(image) for image in images}


def read_cvat(
  folder: pathlib.Path, path: pathlib.Path, split: str, has: str
) -> Boxes | Labels:
  """Returns the images of a split, with their boxes or tags."""
  images = [
    _cvat_image(image, f"CVAT file {path}: image {image.get('name')!r}")
    for image in _cvat(path)
    if _cvat_split(image) == split
  ]
  return _table(folder, images, has)


def _cvat(path: pathlib.Path) -> list[ElementTree.Element]:
  try:
    return ElementTree.parse(path).getroot().findall("image")
  except (OSError, SyntaxError, LookupError, ValueError) as error:
    raise DataError(
      f"CVAT file {path}: cannot be read ({error}); expected CVAT's xml for "
      "images. Export it anew."
    ) from error


def _cvat_split(image: ElementTree.Element) -> str:
  return split_of(image.get("subset") or "") or "train"


def _cvat_image(image: ElementTree.Element, where: str) -> _Image:
  boxes = [
    (
      box.get("label") or "",
      [_number(box.get(key), key, where) for key in _CORNERS],
      f"{where}: box {j}",
    )
    for j, box in enumerate(image.findall("box"))
  ]
  size = [_number(image.get(k), k, where) for k in ("height", "width")]
  tags = [tag.get("label") or "" for tag in image.findall("tag")]
  return _Image(
    image.get("name") or "", where, (int(size[0]), int(size[1])), tags, boxes
  )


def _number(text: object, key: str, where: str) -> float:
  try:
    return float(text)
  except (TypeError, ValueError):
    raise DataError(
      f"{where}: has {key} {text!r}; expected a number. Correct the file."
    ) from None


def tasks_have(path: pathlib.Path) -> str:
  """Returns what Label Studio's tasks have, "boxes" or "labels"."""
  kinds = {
    str(row.get("type")) for task in _tasks(path) for row in _results(task)
  }
  return "boxes" if "rectanglelabels" in kinds else "labels"


def read_tasks(
  folder: pathlib.Path, paths: Sequence[pathlib.Path], has: str
) -> Boxes | Labels:
  """Returns the annotated images of Label Studio's exports."""
  images = [
    _task(task, f"Label Studio's {path}: task {task.get('id', i)}", has)
    for path in paths
    for i, task in enumerate(_tasks(path))
    if task.get("annotations")
  ]
  return _table(folder, images, has)


def _tasks(path: pathlib.Path) -> list[dict[str, Any]]:
  try:
    content = json.loads(path.read_text(encoding="utf-8-sig"))
  except (OSError, ValueError, RecursionError) as error:
    raise DataError(
      f"Label Studio's {path}: cannot be read ({error}); expected its export "
      "as JSON. Export it anew."
    ) from error
  return [task for task in content if isinstance(task, dict)]


def _results(task: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
  """Yields what the last annotation of a task says."""
  for annotation in (task.get("annotations") or [])[-1:]:
    yield from annotation.get("result") or []


def _task_image(address: str) -> str:
  """Returns a file: of local storage its path, of others' addresses its name.

  Local storage is asked for a path, quoted as in addresses.
  """
  _, local, path = address.rpartition("?d=")
  if local:
    return urllib.parse.unquote(path)
  return address.rpartition("/")[2]


def _task(task: Mapping[str, Any], where: str, has: str) -> _Image:
  texts = [x for x in (task.get("data") or {}).values() if isinstance(x, str)]
  name = _task_image(texts[0]) if texts else ""
  classes, boxes, size = [], [], None
  for j, row in enumerate(_results(task)):
    value = row.get("value") or {}
    if has == "boxes" and row.get("type") == "rectanglelabels":
      size = _task_size(row, where)
      place = f"{where}: box {j}"
      boxes.append(_rectangle(value, size, place))
    elif row.get("type") == "choices":
      classes += map(str, value.get("choices") or [])
  return _Image(name, where, size, classes, boxes)


def _task_size(row: Mapping[str, Any], where: str) -> tuple[int, int]:
  keys = ("original_height", "original_width")
  h, w = (_number(row.get(k), k, where) for k in keys)
  return int(h), int(w)


def _rectangle(
  value: Mapping[str, Any], size: tuple[int, int], where: str
) -> Box:
  """Returns a box of percents as corners in pixels."""
  if _number(value.get("rotation") or 0, "rotation", where):
    raise DataError(
      f"{where}: is turned by {value['rotation']} degrees; expected an upright "
      "box. Draw it anew."
    )
  keys = ("x", "y", "width", "height")
  x, y, w, h = (_number(value.get(key), key, where) / 100 for key in keys)
  names = value.get("rectanglelabels") or [""]
  wide, high = size[1], size[0]
  corners = [x * wide, y * high, (x + w) * wide, (y + h) * high]
  return str(names[0]), corners, where


def _table(
  folder: pathlib.Path, images: Sequence[_Image], has: str
) -> Boxes | Labels:
  index = Index(folder)
  files = [_find(index, image) for image in images]
  if has == "labels":
    return Labels(FileImages(folder, files), [_only(p) for p in images])
  rows = [(i, *b) for i, p in enumerate(images) for b in p.boxes]
  sized = all(p.size for p in images)
  return Boxes(
    FileImages(folder, files),
    np.array([row[0] for row in rows], np.int64),
    [row[1] for row in rows],
    np.array([row[2] for row in rows], np.float64).reshape(-1, 4),
    [row[3] for row in rows],
    size=np.array([p.size for p in images]) if sized else None,
  )


def _find(index: Index, image: _Image) -> pathlib.Path:
  """Returns the image, also where an upload put eight signs before it."""
  try:
    return index.find(image.name, image.where, ("", "images/"))
  except DataError:
    prefix, dash, rest = image.name.partition("-")
    if not dash or len(prefix) != 8:
      raise
    return index.find(rest, image.where, ("", "images/"))


def _only(image: _Image) -> str:
  if len(image.classes) != 1:
    raise DataError(
      f"{image.where}: has {len(image.classes)} classes; expected one. "
      "Correct the annotation, or leave the image out."
    )
  return image.classes[0]
