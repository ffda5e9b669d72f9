"""Boxes as COCO's json."""

import collections
import itertools
import pathlib
from collections.abc import Sequence
from typing import Any

from vision_jax.data.errors import DataError
from vision_jax.data.files import nfc
from vision_jax.data.masks_in_boxes import paste
from vision_jax.data.rle import encoded
from vision_jax.data.sources.coco_file import CocoFile, read_coco
from vision_jax.data.sources.coco_results import (
  coco_file,
  coco_results,
  write_json,
)
from vision_jax.writers.base import About, Row, height_width, place


class CocoWriter:
  """Writes `results.json` and `coco.json`.

  The outputs have `boxes` (p, 4) xyxy in pixels, `score` and `label` (p,); of
  `masks` (p, m, m) in the boxes, where they have them, the run lengths.
  `results.json` is COCO's list of results, of all boxes whatever their score,
  with their `keypoints` (p, j, 3) where they have them, and `coco.json` a whole
  file with the images, the categories and, as annotations, the boxes that
  count. Ids are integers from 1 on; with `annotations` they are that file's, so
  that COCO's tools can score the list against it.
  """

  needs = ("boxes", "score", "label")

  def __init__(self, about: About):
    given = about.annotations
    file = read_coco(pathlib.Path(given)) if given else None
    self._about = about
    self._image_id = _Given(file) if file else _Counted()
    self._ids = _category_ids(about.class_names, file)
    self._images: list[dict[str, Any]] = []
    self._results: list[dict[str, Any]] = []
    self._shown: list[dict[str, Any]] = []

  def __call__(self, file: pathlib.Path, row: Row, name: str) -> None:
    """Keeps the boxes of an image."""
    h, w = height_width(file)
    entry = self._image_id(file, name)
    self._images.append(entry | {"height": h, "width": w})
    rows = lambda r, points=(): coco_results(
      *(entry["id"], r["boxes"], r["score"], r["label"], self._ids),
      encoded(paste(r["masks"], r["boxes"], (h, w))) if "masks" in r else (),
      points,
    )
    self._results += rows(row, row.get("keypoints", ()))
    self._shown += rows(self._about.sure(row))

  def close(self) -> None:
    """Writes the json of all images."""
    output = self._about.output
    write_json(output / "results.json", self._results)
    names = dict(zip(self._ids, self._about.class_names, strict=True))
    whole = coco_file(self._images, names, self._shown)
    write_json(output / "coco.json", whole)


def _category_ids(
  names: Sequence[str], given: CocoFile | None
) -> tuple[Any, ...]:
  """The id of each class: the file's, and new ones for those it lacks."""
  if given is None:
    return tuple(range(1, len(names) + 1))
  numbers = [i for i in given.names if isinstance(i, int)]
  new = itertools.count(max(numbers, default=0) + 1)
  return tuple(next(new) if i is None else i for i in given.ids_of(names))


class _Counted:
  """Numbers images from 1 on."""

  def __init__(self):
    self._number = itertools.count(1)

  def __call__(self, file: pathlib.Path, name: str) -> dict[str, Any]:
    """Returns an image's id, and file_name with the folders it lies in."""
    return {"id": next(self._number), "file_name": place(file, name)}


class _Given:
  """Finds images in a file of annotations by their names."""

  def __init__(self, file: CocoFile):
    self._path, self._named = file.path, collections.defaultdict(list)
    for i, name in zip(file.image_ids, file.file_names, strict=True):
      base = nfc(pathlib.PurePosixPath(name).name)
      self._named[base].append({"id": i, "file_name": name})

  def __call__(self, file: pathlib.Path, name: str) -> dict[str, Any]:
    """Returns an image's id and file_name as the annotations have them."""
    del name
    found = self._named.get(nfc(file.name), [])
    if len(found) > 1:  # in several folders
      ends = lambda name: nfc(file.as_posix()).endswith("/" + nfc(name))
      found = [e for e in found if ends(e["file_name"])]
    if len(found) != 1:
      raise DataError(
        f"{file}: COCO file {self._path} has {len(found)} images of that name; "
        "expected one, whose id its predictions take. Predict on the images "
        "of that file, or leave out --config.annotations."
      )
    return found[0]
