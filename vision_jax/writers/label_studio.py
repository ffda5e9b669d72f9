"""Classes or boxes as Label Studio's tasks, to be corrected there."""

import pathlib
import urllib.parse
import xml.etree.ElementTree as ElementTree
from typing import Any

import numpy as np

from vision_jax.files import replace_text, to_json
from vision_jax.viz.palette import palette
from vision_jax.writers.base import About, Row, height_width, place
from vision_jax.writers.line import found_classes, has_several

# Of the templates that Label Studio has for images.
FROM = {"rectanglelabels": "label", "choices": "choice"}
TAGS = {
  "rectanglelabels": ("RectangleLabels", "Label"),
  "choices": ("Choices", "Choice"),
}
LOCAL = "/data/local-files/?d="


class LabelStudioWriter:
  """Writes `label_studio.json`, a task for each image with its prediction.

  `label_studio.xml` beside it is the project's labelling interface (Settings,
  Labeling Interface, Code), with the classes; it is like Label Studio's
  templates of object detection and classification. Label Studio's
  local storage serves the images: they are named by their path in the folder of
  all, which has to be its document root.
  """

  needs = ()
  one_of = ("logits", "boxes")

  def __init__(self, about: About):
    self._about, self._tasks = about, []
    self._view: ElementTree.Element | None = None

  def __call__(self, file: pathlib.Path, row: Row, name: str) -> None:
    """Keeps an image's task."""
    found = self._boxes(file, row) if "boxes" in row else self._class(row)
    if self._view is None:
      self._view = self._interface(row)
    score = max((entry["score"] for entry in found), default=0.0)
    image = LOCAL + urllib.parse.quote(
      place(file, name), errors="surrogateescape"
    )
    self._tasks.append(
      {
        "data": {"image": image},
        "predictions": [
          {"model_version": "vision_jax", "score": score, "result": found}
        ],
      }
    )

  def close(self) -> None:
    """Writes all tasks, and the interface, which the first image tells."""
    path = self._about.output / "label_studio.json"
    replace_text(path, to_json(self._tasks, indent=1))
    if self._view is not None:
      ElementTree.indent(self._view)
      text = ElementTree.tostring(self._view, "unicode")
      replace_text(path.with_suffix(".xml"), text + "\n")

  def _interface(self, row: Row) -> ElementTree.Element:
    """Returns the tags by whose names the predictions are shown."""
    view = ElementTree.Element("View")
    ElementTree.SubElement(view, "Image", name="image", value="$image")
    kind = "rectanglelabels" if "boxes" in row else "choices"
    about = {"name": FROM[kind], "toName": "image"}
    if kind == "choices":
      about["choice"] = "multiple" if has_several(row) else "single"
    tag, item = TAGS[kind]
    control = ElementTree.SubElement(view, tag, about)
    colours = palette(max(len(self._about.class_names), 1))
    for name, colour in zip(self._about.class_names, colours, strict=False):
      entry = ElementTree.SubElement(control, item, value=name)
      if kind == "rectanglelabels":
        entry.set("background", "#{:02x}{:02x}{:02x}".format(*colour))
    return view

  def _boxes(self, file: pathlib.Path, row: Row) -> list[dict[str, Any]]:
    """Boxes that count, in percent of the image's width and height."""
    h, w = height_width(file)
    sure = self._about.sure(row)
    part = 100 * np.float64(sure["boxes"]) / [w, h, w, h]
    size = {"original_width": w, "original_height": h, "image_rotation": 0}
    rows = zip(part.tolist(), sure["score"], sure["label"], strict=True)
    return [
      size
      | self._entry(
        "rectanglelabels",
        *(k, score, i),
        **{"x": x1, "y": y1, "width": x2 - x1, "height": y2 - y1},
        rotation=0,
      )
      for i, ((x1, y1, x2, y2), score, k) in enumerate(rows)
    ]

  def _class(self, row: Row) -> list[dict[str, Any]]:
    labels, probs = found_classes(row, self._about)
    return [
      self._entry("choices", k, probs[k], i) for i, k in enumerate(labels)
    ]

  def _entry(
    self, kind: str, label: int, score: float, i: int, **value: float
  ) -> dict[str, Any]:
    return {
      "id": str(i),
      "type": kind,
      "from_name": FROM[kind],
      "to_name": "image",
      "score": round(float(score), 6),
      "value": value | {kind: [self._about.name(int(label))]},
    }
