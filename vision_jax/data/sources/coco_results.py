"""Detections in COCO's form: the list of results, and a whole file."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from etils import epath

from vision_jax.data.rle import Rle, areas
from vision_jax.data.sources.coco_file import Id, Row
from vision_jax.files import replace_text, to_json


def coco_results(
  image_id: Id,
  boxes: np.ndarray,
  score: np.ndarray,
  label: np.ndarray,
  category_ids: Sequence[Id] = (),
  masks: Sequence[Rle] = (),
  keypoints: Sequence[np.ndarray] | np.ndarray = (),
) -> list[Row]:
  """Returns one image's detections as rows of COCO's results json.

  Args:
    image_id: the image's id in the annotations.
    boxes: (p, 4) xyxy in pixels.
    score: (p,), written with all its digits: rounding would make ties.
    label: (p,), 0 ... k - 1.
    category_ids: id of each label; () for label + 1.
    masks: the run lengths of each; () for none.
    keypoints: (p, j, 3), x and y in pixels of each, and what is not written;
      () for none.
  """
  boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
  xywh = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1)
  rows = [
    {
      "image_id": image_id,
      "category_id": category_ids[k] if category_ids else int(k) + 1,
      "bbox": [round(v, 3) for v in box],
      "score": float(str(s)),
    }
    for box, s, k in zip(xywh.tolist(), score, label, strict=True)
  ]
  if len(masks):
    pairs = zip(rows, masks, strict=True)
    rows = [row | {"segmentation": mask} for row, mask in pairs]
  if len(keypoints):
    places = np.asarray(keypoints, np.float64)[..., :2].round(3)
    flat = np.insert(places, 2, 1, axis=-1).reshape(len(places), -1)
    pairs = zip(rows, flat.tolist(), strict=True)
    rows = [row | {"keypoints": points} for row, points in pairs]
  return rows


def coco_file(
  images: Iterable[Row],
  categories: Mapping[Id, str],
  rows: Iterable[Row],
) -> dict[str, list[Row]]:
  """Returns a whole file of COCO's form with detections as annotations.

  Args:
    images: the images, with id, file_name, height and width.
    categories: id -> name.
    rows: what `coco_results` returns.
  """
  return {
    "images": list(images),
    "annotations": [
      {"id": i, "area": _area(row), "iscrowd": 0} | row
      for i, row in enumerate(rows, 1)
    ],
    "categories": [{"id": i, "name": n} for i, n in categories.items()],
  }


def _area(row: Row) -> float:
  """The area of a row's mask, or of its box."""
  if "segmentation" in row:
    return float(areas([row["segmentation"]])[0])
  return row["bbox"][2] * row["bbox"][3]


def write_json(path: epath.PathLike, content: object) -> None:
  """Writes a value as json."""
  replace_text(path, to_json(content))
