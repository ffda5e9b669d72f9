"""Detection data in COCO's json, and results in its form."""

import functools
import json
import os
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from vision_jax.data.boxes import BoxCheck, to_fractions
from vision_jax.data.errors import BadImage, DataError
from vision_jax.data.source import Example, short_hash


class CocoSource:
  """Images with boxes from a json file of COCO's form.

  Category ids may have gaps: labels are 0, 1, ... in the order of the ids, and
  `category_ids` maps them back. An example has `image`, encoded, `boxes` (n, 4)
  cxcywh in [0, 1], `label`, `crowd`, `area` (n,) and `size` (2,). Images
  without boxes are examples too.

  Args:
    annotations: the json file.
    images: the folder of the images.
    on_bad_box: see `BoxCheck`.

  Raises:
    DataError: on first use, if the file is no such json, or its ids do not
      fit: naming the file and the entry.
  """

  def __init__(
    self,
    annotations: str | os.PathLike[str],
    images: str | os.PathLike[str],
    *,
    on_bad_box: str = "error",
  ):
    self.path, self.folder = pathlib.Path(annotations), pathlib.Path(images)
    self.check = BoxCheck(on_bad_box)

  @functools.cached_property
  def _content(self) -> dict[str, list[dict[str, Any]]]:
    content = _load(self.path)
    _check_unique(self.path, "images", content["images"])
    _check_unique(self.path, "categories", content["categories"])
    return content

  @functools.cached_property
  def category_ids(self) -> tuple[int, ...]:
    """The file's category id of each label."""
    return tuple(sorted(c["id"] for c in self._content["categories"]))

  @functools.cached_property
  def class_names(self) -> tuple[str, ...]:
    """Names in the order of the labels."""
    names = {c["id"]: c.get("name") for c in self._content["categories"]}
    return tuple(str(names[i] or i) for i in self.category_ids)

  @property
  def num_classes(self) -> int:
    """Number of categories."""
    return len(self.category_ids)

  @property
  def image_ids(self) -> list[int]:
    """The file's id of each example."""
    return [image["id"] for image in self._content["images"]]

  @functools.cached_property
  def _rows(self) -> list[list[tuple[int, dict[str, Any]]]]:
    """Each image's annotations, with their places in the file."""
    place = {image_id: i for i, image_id in enumerate(self.image_ids)}
    rows: list[list[tuple[int, dict[str, Any]]]] = [[] for _ in place]
    known = set(self.category_ids)
    for j, row in enumerate(self._content["annotations"]):
      box = row.get("bbox")
      if not isinstance(box, list) or len(box) != 4:
        raise DataError(
          f"COCO file {self.path}: annotations[{j}] has bbox {box!r}; expected "
          "[x, y, width, height]."
        )
      if row.get("category_id") not in known:
        raise DataError(
          f"COCO file {self.path}: annotations[{j}] has category_id "
          f"{row.get('category_id')!r}, which is missing from `categories`; "
          f"expected one of {_some(known)}. Add the category."
        )
      if row.get("image_id") not in place:
        raise DataError(
          f"COCO file {self.path}: annotations[{j}] has image_id "
          f"{row.get('image_id')!r}, which is missing from `images`. Add the "
          "image, or remove the annotation."
        )
      rows[place[row["image_id"]]].append((j, row))
    return rows

  def __len__(self) -> int:
    return len(self._content["images"])

  def read(self, indices: np.ndarray) -> list[Example]:
    """Returns examples with encoded images."""
    return [self._example(int(i)) for i in indices]

  def fingerprint(self) -> str:
    """Returns a hash of the json file."""
    return short_hash(self.path.read_bytes())

  def _example(self, i: int) -> Example:
    image, rows = self._content["images"][i], self._rows[i]
    size = (int(image["height"]), int(image["width"]))
    boxes = np.array([r["bbox"] for _, r in rows], np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    places = [f"annotations[{j}]" for j, _ in rows]
    name = f"COCO file {self.path}"
    boxes, kept = self.check(boxes, size, name, places)
    column = lambda make: np.array([make(r) for _, r in rows], np.float32)[kept]
    label = [self.category_ids.index(r["category_id"]) for _, r in rows]
    area = lambda r: r.get("area", r["bbox"][2] * r["bbox"][3])
    path = self.folder / image["file_name"]
    return {
      "name": str(path),
      "image": _read(path),
      "boxes": to_fractions(boxes, size),
      "label": np.array(label, np.int32)[kept],
      "crowd": column(lambda r: r.get("iscrowd", 0)),
      "area": column(area),
      "size": np.array(size, np.int32),
    }


def coco_results(
  image_id: Any,
  boxes: np.ndarray,
  score: np.ndarray,
  label: np.ndarray,
  category_ids: Sequence[int] = (),
) -> list[dict[str, Any]]:
  """Returns one image's detections as rows of COCO's results json.

  Args:
    image_id: as in the annotations; any json value.
    boxes: (p, 4) xyxy in pixels.
    score: (p,).
    label: (p,), 0 ... k - 1.
    category_ids: id of each label; () for label + 1.
  """
  boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
  xywh = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1)
  return [
    {
      "image_id": image_id,
      "category_id": int(category_ids[k] if category_ids else k + 1),
      "bbox": [round(v, 3) for v in box],
      "score": round(float(s), 6),
    }
    for box, s, k in zip(xywh.tolist(), score, label, strict=True)
  ]


def write_coco_results(path: Any, rows: Iterable[Mapping[str, Any]]) -> None:
  """Writes rows of `coco_results` as one json list."""
  path.write_text(json.dumps(list(rows)))


def _load(path: pathlib.Path) -> dict[str, list[dict[str, Any]]]:
  try:
    content = json.loads(path.read_text(encoding="utf-8"))
  except (OSError, ValueError) as error:
    raise DataError(
      f"COCO file {path}: cannot be read ({error}); expected a json file. "
      "Check --config.data_dir."
    ) from error
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
      missing = [f for f in fields if f not in entry]
      if missing:
        raise DataError(
          f"COCO file {path}: {key}[{i}] has no {', '.join(missing)}; expected "
          f"{', '.join(fields)} in each of {key}."
        )
  return content


def _check_unique(path: pathlib.Path, key: str, entries: list) -> None:
  first: dict[Any, int] = {}
  for i, entry in enumerate(entries):
    if entry["id"] in first:
      raise DataError(
        f"COCO file {path}: {key}[{first[entry['id']]}] and {key}[{i}] both "
        f"have the id {entry['id']}; expected ids of their own."
      )
    first[entry["id"]] = i


def _read(path: pathlib.Path) -> bytes:
  try:
    return path.read_bytes()
  except OSError as error:
    raise BadImage(str(path), f"cannot be read ({error.strerror})") from error


def _some(values: Iterable[int]) -> str:
  values = sorted(values)
  return ", ".join(map(str, values[:8])) + (", ..." if len(values) > 8 else "")
