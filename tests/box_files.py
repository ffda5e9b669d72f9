"""Small files of VOC's and COCO's form, written by tests."""

import io
import json

import numpy as np
from PIL import Image

from vision_jax.data.sources.coco import CocoSource


def jpeg(h, w, comment=""):
  data = io.BytesIO()
  image = Image.fromarray(np.full((h, w, 3), 128, np.uint8))
  image.save(data, "JPEG", comment=comment)
  return data.getvalue()


def write_voc(root, objects, size=(40, 60), name="one", split="train"):
  """Writes one image's files; objects are (class, xmin, ymin, xmax, ymax)."""
  for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
    (root / folder).mkdir(parents=True, exist_ok=True)
  (root / "JPEGImages" / f"{name}.jpg").write_bytes(jpeg(*size, name))
  body = "".join(
    f"<object><name>{c}</name><difficult>{int(c == 'hard')}</difficult><bndbox>"
    f"<xmin>{a}</xmin><ymin>{b}</ymin><xmax>{x}</xmax><ymax>{y}</ymax>"
    "</bndbox></object>"
    for c, a, b, x, y in objects
  )
  (root / "Annotations" / f"{name}.xml").write_text(
    f"<annotation><size><width>{size[1]}</width><height>{size[0]}</height>"
    f"</size>{body}</annotation>"
  )
  with (root / "ImageSets" / "Main" / f"{split}.txt").open("a") as file:
    file.write(f"{name}\n")
  return root


def coco_content():
  """Two images, one without boxes, and category ids with gaps."""
  return {
    "images": [
      {"id": 7, "file_name": "a.jpg", "height": 40, "width": 60},
      {"id": 3, "file_name": "b.jpg", "height": 40, "width": 60},
    ],
    "annotations": [
      {
        "id": 1,
        "image_id": 7,
        "category_id": 90,
        "bbox": [6, 4, 24, 16],
        "area": 123.0,
        "iscrowd": 1,
      },
      {"id": 2, "image_id": 7, "category_id": 5, "bbox": [0, 0, 60, 40]},
    ],
    "categories": [{"id": 90, "name": "owl"}, {"id": 5, "name": "cat"}],
  }


def write_coco(root, content, class_names=(), **options):
  for name in ("a.jpg", "b.jpg"):
    (root / name).write_bytes(jpeg(40, 60))
  path = root / "labels.json"
  path.write_text(content if isinstance(content, str) else json.dumps(content))
  return CocoSource(path, root, class_names, **options)


def changed(key, i, **values):
  content = coco_content()
  content[key][i] |= values
  return content
