"""Boxes as overlays and as COCO's json."""

import collections
import itertools
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.data.files import nfc
from vision_jax.data.images import decode_image
from vision_jax.data.sources.coco_file import CocoFile, read_coco
from vision_jax.data.sources.coco_results import (
  coco_file,
  coco_results,
  write_json,
)
from vision_jax.viz.detections import write_boxes
from vision_jax.writers.base import Row


class BoxWriter:
  """Writes overlays of boxes, `results.json` and `coco.json`.

  The outputs have `boxes` (p, 4) xyxy in pixels, `score` and `label` (p,).
  `results.json` is COCO's list of results, all of them, and `coco.json` a whole
  file with the images, the categories and, as annotations, what scores `SHOWN`
  at least and is on the overlays. Ids are integers from 1 on; with
  `annotations` they are that file's, so that COCO's tools can score the list
  against it.

  Args:
    output: folder to write to.
    class_names: in the order of the labels.
    annotations: COCO json whose ids are used, "" for none.
  """

  needs = ("boxes", "score", "label")
  SHOWN = 0.3

  def __init__(
    self, output: Any, class_names: Sequence[str], annotations: str = ""
  ):
    self._output, self._names = output, tuple(class_names)
    given = read_coco(pathlib.Path(annotations)) if annotations else None
    self._image_id = _Given(given) if given else _Counted()
    self._ids = _category_ids(self._names, given)
    self._images: list[dict[str, Any]] = []
    self._results: list[dict[str, Any]] = []

  def __call__(
    self, file: pathlib.Path, row: Row, name: str = ""
  ) -> dict[str, Any]:
    """Returns the overlay's file and the boxes that it shows."""
    boxes, score, label = row["boxes"], row["score"], row["label"]
    image = decode_image(file.read_bytes(), 3, str(file))
    entry = self._image_id(file)
    self._images.append(
      entry | {"height": image.shape[0], "width": image.shape[1]}
    )
    self._results += coco_results(entry["id"], boxes, score, label, self._ids)
    sure = score >= self.SHOWN
    overlay = write_boxes(
      *(self._output, name or file.stem, image),
      *(boxes[sure], label[sure], score[sure]),
      self._names,
    )
    found = zip(boxes[sure], score[sure], label[sure], strict=True)
    return {
      "overlay": str(overlay),
      "boxes": [
        {
          "class": self._names[k] if self._names else str(k),
          "score": round(float(s), 6),
          "xyxy": np.round(box, 2).tolist(),
        }
        for box, s, k in found
      ],
    }

  def close(self) -> None:
    """Writes the json of all images."""
    write_json(self._output / "results.json", self._results)
    names = dict(zip(self._ids, self._names, strict=True))
    shown = [row for row in self._results if row["score"] >= self.SHOWN]
    whole = coco_file(self._images, names, shown)
    write_json(self._output / "coco.json", whole)


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

  def __call__(self, file: pathlib.Path) -> dict[str, Any]:
    """Returns an image's id and file_name."""
    return {"id": next(self._number), "file_name": file.name}


class _Given:
  """Finds images in a file of annotations by their names."""

  def __init__(self, file: CocoFile):
    self._path, self._named = file.path, collections.defaultdict(list)
    for i, name in zip(file.image_ids, file.file_names, strict=True):
      base = nfc(pathlib.PurePosixPath(name).name)
      self._named[base].append({"id": i, "file_name": name})

  def __call__(self, file: pathlib.Path) -> dict[str, Any]:
    """Returns an image's id and file_name as the annotations have them."""
    found = self._named.get(nfc(file.name), [])
    if len(found) > 1:  # in several folders
      ends = lambda name: nfc(file.as_posix()).endswith("/" + nfc(name))
      found = [e for e in found if ends(e["file_name"])]
    if len(found) != 1:
      raise DataError(
        f"{file}: COCO file {self._path} has {len(found)} images of that name; "
        "expected one, whose id its predictions take. Predict on the pictures "
        "of that file, or leave out --config.annotations."
      )
    return found[0]
