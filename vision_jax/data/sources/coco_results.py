"""Detections in COCO's form: the list of results, and a whole file."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from etils import epath

from vision_jax.data.sources.coco_file import Id, Row
from vision_jax.files import replace_text, to_json


def coco_results(
  image_id: Id,
  boxes: np.ndarray,
  score: np.ndarray,
  label: np.ndarray,
  category_ids: Sequence[Id] = (),
) -> list[Row]:
  """Returns one image's detections as rows of COCO's results json.

  Args:
    image_id: the image's id in the annotations.
    boxes: (p, 4) xyxy in pixels.
    score: (p,), written with all its digits: rounding would make ties.
    label: (p,), 0 ... k - 1.
    category_ids: id of each label; () for label + 1.
  """
  boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
  xywh = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1)
  return [
    {
      "image_id": image_id,
      "category_id": category_ids[k] if category_ids else int(k) + 1,
      "bbox": [round(v, 3) for v in box],
      "score": float(str(s)),
    }
    for box, s, k in zip(xywh.tolist(), score, label, strict=True)
  ]


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
      {"id": i, "area": row["bbox"][2] * row["bbox"][3], "iscrowd": 0} | row
      for i, row in enumerate(rows, 1)
    ],
    "categories": [{"id": i, "name": n} for i, n in categories.items()],
  }


def write_json(path: epath.PathLike, content: object) -> None:
  """Writes a value as json."""
  replace_text(path, to_json(content))
