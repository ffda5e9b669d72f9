"""Images with what was found in them drawn over: boxes, or masks."""

import pathlib
from typing import Any

import numpy as np

from vision_jax.viz.boxes import draw_boxes, readable_scale
from vision_jax.viz.overlay import legend, overlay_mask
from vision_jax.viz.png import write_png
from vision_jax.writers.base import About, Row, shown


class OverlayWriter:
  """Writes `overlays/NAME.png`, of the image's own size.

  Of `boxes` those that count, with class and score; of `target` the classes'
  colours, which `legend.png` names.
  """

  needs = ()
  one_of = ("boxes", "target")

  def __init__(self, about: About):
    self._about, self._masks = about, False

  def __call__(self, file: pathlib.Path, row: Row, name: str) -> dict[str, Any]:
    """Returns the overlay's file."""
    draw = self._boxes if "boxes" in row else self._mask
    path = self._about.output / "overlays" / f"{name}.png"
    write_png(path, draw(shown(file, self._about.show_bands), row))
    return {"overlay": str(path)}

  def close(self) -> None:
    """Writes the legend of masks."""
    if self._masks and self._about.class_names:
      lines = legend(self._about.class_names)
      write_png(self._about.output / "legend.png", lines)

  def _boxes(self, image: np.ndarray, row: Row) -> np.ndarray:
    sure, names = self._about.sure(row), self._about.class_names
    found = (sure["boxes"], sure["label"], sure["score"])
    scale = readable_scale(image)
    return draw_boxes(image, *found, class_names=names, scale=scale)

  def _mask(self, image: np.ndarray, row: Row) -> np.ndarray:
    self._masks = True
    target = row["target"]
    k = len(self._about.class_names) or int(target.max(initial=0)) + 1
    return overlay_mask(image, target, k, ignore=None)
