"""Boxes as Pascal VOC's xml."""

import pathlib
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from typing import Any

from vision_jax.files import replace_text
from vision_jax.writers.base import About, Row, height_width

_CORNERS = ("xmin", "ymin", "xmax", "ymax")


class VocWriter:
  """Writes `Annotations/NAME.xml`, an object for each box that counts.

  Corners are plain coordinates with two digits, not counted from one as in
  VOC's own files; `score` is a field more, which readers of VOC pass over.
  """

  needs = ("boxes", "score", "label")

  def __init__(self, about: About):
    self._about = about

  def __call__(self, file: pathlib.Path, row: Row, name: str) -> dict[str, Any]:
    """Returns the file of an image's boxes."""
    h, w = height_width(file)
    root = ElementTree.Element("annotation")
    _add(root, {"filename": file.name})
    size = ElementTree.SubElement(root, "size")
    _add(size, {"width": w, "height": h, "depth": 3})
    sure = self._about.sure(row)
    for box, score, k in zip(*sure.values(), strict=True):
      found = ElementTree.SubElement(root, "object")
      name_of = self._about.name(int(k))
      _add(found, {"name": name_of, "difficult": 0, "score": f"{score:.6f}"})
      corners = dict(zip(_CORNERS, (f"{x:.2f}" for x in box), strict=True))
      _add(ElementTree.SubElement(found, "bndbox"), corners)
    ElementTree.indent(root)
    path = self._about.output / "Annotations" / f"{name}.xml"
    replace_text(path, ElementTree.tostring(root, "unicode") + "\n")
    return {"voc": str(path)}

  def close(self) -> None:
    """Has nothing to write."""


def _add(element: ElementTree.Element, texts: Mapping[str, Any]) -> None:
  for tag, text in texts.items():
    ElementTree.SubElement(element, tag).text = str(text)
