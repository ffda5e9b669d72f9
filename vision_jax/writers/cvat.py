"""Boxes as CVAT's xml, to be corrected there."""

import itertools
import pathlib
import xml.etree.ElementTree as ElementTree

from vision_jax.files import replace_text
from vision_jax.writers.base import About, Row, height_width, place


class CvatWriter:
  """Writes `annotations.xml`, "CVAT for images 1.1", of the boxes that count.

  CVAT finds an image by its path in the folder of all; the task that takes the
  boxes needs labels of the classes' names.
  """

  needs = ("boxes", "score", "label")

  def __init__(self, about: About):
    self._about, self._number = about, itertools.count()
    self._root = ElementTree.Element("annotations")
    ElementTree.SubElement(self._root, "version").text = "1.1"
    task = ElementTree.SubElement(self._root, "meta")
    for part in ("task", "labels"):
      task = ElementTree.SubElement(task, part)
    for name in about.class_names:
      label = ElementTree.SubElement(task, "label")
      ElementTree.SubElement(label, "name").text = name

  def __call__(self, file: pathlib.Path, row: Row, name: str) -> None:
    """Keeps the boxes of an image."""
    h, w = height_width(file)
    about = {"id": next(self._number), "name": place(file, name)}
    image = _add(self._root, "image", about | {"width": w, "height": h})
    sure = self._about.sure(row)
    for box, k in zip(sure["boxes"], sure["label"], strict=True):
      corners = zip(("xtl", "ytl", "xbr", "ybr"), box, strict=True)
      values = {"label": self._about.name(int(k)), "source": "auto"}
      values |= {"occluded": 0, "z_order": 0}
      _add(image, "box", values | {key: f"{x:.2f}" for key, x in corners})

  def close(self) -> None:
    """Writes the boxes of all images."""
    ElementTree.indent(self._root)
    text = ElementTree.tostring(self._root, "unicode")
    head = '<?xml version="1.0" encoding="utf-8"?>\n'
    replace_text(self._about.output / "annotations.xml", head + text + "\n")


def _add(
  parent: ElementTree.Element, tag: str, values: dict[str, object]
) -> ElementTree.Element:
  texts = {key: str(value) for key, value in values.items()}
  return ElementTree.SubElement(parent, tag, texts)
