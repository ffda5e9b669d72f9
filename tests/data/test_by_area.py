"""How often images of several sizes come."""

import cv2
import numpy as np

from vision_jax.data.by_area import by_area
from vision_jax.data.sources.image_list import ImageList
from vision_jax.data.transformed import Transformed
from vision_jax.data.transforms.image import decode


def test_images_come_as_often_as_squares_fill_them(tmp_path):
  for name, size in (("a", (8, 8)), ("b", (8, 13)), ("c", (16, 24))):
    cv2.imwrite(str(tmp_path / f"{name}.png"), np.zeros((*size, 3), np.uint8))
  (tmp_path / "d.png").write_bytes(b"no image")
  files = ImageList(tmp_path)
  made = by_area(Transformed(files, [decode()]), files, 8)
  assert len(made) == 1 + 2 + 6 + 1
  found = [x["image"].shape[:2] for x in made.read(np.arange(9))]
  assert found == [(8, 8)] + 2 * [(8, 13)] + 6 * [(16, 24)]
