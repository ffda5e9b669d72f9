"""Each box that counts as an image, in folders of the classes."""

import pathlib
from typing import Any

import numpy as np

from vision_jax.viz.pixels import to_rgb
from vision_jax.viz.png import write_png
from vision_jax.writers.base import About, Row, shown
from vision_jax.writers.folder import safe_names


class CropsWriter:
  """Writes `crops/CLASS/NAME_I.png` of box I that counts, the best first.

  All pixels that a box touches, as far as they are in the image; a box outside
  of it has none. The folders can be trained on as those of a classifier.
  """

  needs = ("boxes", "score", "label")

  def __init__(self, about: About):
    self._about = about
    self._folders = safe_names(about.class_names)

  def __call__(self, file: pathlib.Path, row: Row, name: str) -> dict[str, Any]:
    """Returns the files of an image's boxes."""
    sure, paths = self._about.sure(row), []
    image = to_rgb(shown(file, self._about.show_bands))
    order = np.argsort(-sure["score"], kind="stable")
    for i, k in enumerate(order):
      part = cut(image, sure["boxes"][k])
      if part.size:
        label = int(sure["label"][k])
        of = self._folders[label] if self._folders else str(label)
        path = self._about.output / "crops" / of / f"{name}_{i}.png"
        write_png(path, part)
        paths.append(str(path))
    return {"crops": paths}

  def close(self) -> None:
    """Has nothing to write."""


def cut(image: np.ndarray, box: np.ndarray) -> np.ndarray:
  """Returns the pixels (h w c) that a box xyxy touches, maybe none."""
  h, w, _ = image.shape
  x1, y1 = np.floor(np.clip(box[:2], 0, (w, h))).astype(int)
  x2, y2 = np.ceil(np.clip(box[2:], 0, (w, h))).astype(int)
  return image[y1:y2, x1:x2]
