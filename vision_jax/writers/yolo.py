"""Boxes as YOLO's text files."""

import pathlib
from typing import Any

import numpy as np

from vision_jax.files import replace_text, to_json
from vision_jax.writers.base import About, Row, height_width


class YoloWriter:
  """Writes `labels/NAME.txt` and `data.yaml`.

  A line is a box that counts: the number of its class from 0 on, and centre x,
  centre y, width and height as fractions of the image. An image without boxes
  has an empty file. `data.yaml` names the classes. To train on them, put the
  images into a folder `images` beside `labels`; `yolo_scores` has scores too.
  """

  needs = ("boxes", "score", "label")
  folder, key, scores = "labels", "yolo", False

  def __init__(self, about: About):
    self._about = about

  def __call__(self, file: pathlib.Path, row: Row, name: str) -> dict[str, Any]:
    """Returns the file of an image's boxes."""
    h, w = height_width(file)
    sure = self._about.sure(row)
    low, high = np.split(sure["boxes"].astype(np.float64), 2, -1)
    boxes = np.concatenate([(low + high) / 2, high - low], -1) / [w, h, w, h]
    if self.scores:
      boxes = np.concatenate([boxes, sure["score"][:, None]], -1)
    lines = [
      " ".join([str(int(k)), *(f"{x:.6f}" for x in box)]) + "\n"
      for k, box in zip(sure["label"], boxes, strict=True)
    ]
    path = self._about.output / self.folder / f"{name}.txt"
    replace_text(path, "".join(lines))
    return {self.key: str(path)}

  def close(self) -> None:
    """Writes the names of the classes; JSON's strings are YAML's too."""
    names = [
      f"  {k}: {to_json(name)}\n"
      for k, name in enumerate(self._about.class_names)
    ]
    head = "train: images\nval: images\nnames:\n"
    replace_text(self._about.output / "data.yaml", "".join([head, *names]))
