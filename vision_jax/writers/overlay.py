"""Images with what was found in them: boxes, masks, objects or a text."""

import pathlib
from typing import Any

import numpy as np

from vision_jax.viz.boxes import draw_boxes, readable_scale
from vision_jax.viz.contours import draw_contours
from vision_jax.viz.grid import enlarge, enlargement, grid
from vision_jax.viz.keypoints import draw_keypoints
from vision_jax.viz.overlay import legend, overlay_mask
from vision_jax.viz.png import write_png
from vision_jax.writers.base import About, Row, objects_of, shown
from vision_jax.writers.line import line
from vision_jax.writers.video import FramesOut

LEAST = 320  # pixels of the longer side of an image with boxes


class OverlayWriter:
  """Writes `overlays/NAME.png`, of the image's own size.

  Of `boxes` those that count, with class, score and `keypoints`; images below
  320 pixels are enlarged by a whole factor, so that the letters can be read and
  do not hide all. Of `target` the classes' colours, which `legend.png` names.
  Of `instances` a line around each, and of those with `masks` of several
  classes the boxes too. A `text` stands above the image, which is enlarged
  likewise. Of a video's frames also a video of the same rate,
  `overlays/VIDEO.mp4`.
  """

  needs = ()
  one_of = ("boxes", "target", "instances", "text")

  def __init__(self, about: About):
    self._about, self._masks = about, False
    self._video = FramesOut(about.output / "overlays")

  def __call__(self, file: pathlib.Path, row: Row, name: str) -> dict[str, Any]:
    """Returns the overlay's file."""
    known = {
      "masks": self._outlines,
      "boxes": self._boxes,
      "text": self._text,
      "instances": self._outlines,
      "target": self._mask,
    }
    draw = next(draw for key, draw in known.items() if key in row)
    path = self._about.output / "overlays" / f"{name}.png"
    drawn = draw(shown(file, self._about.show_bands), row)
    write_png(path, drawn)
    self._video.add(file, drawn)
    return {"overlay": str(path)}

  def close(self) -> None:
    """Writes the legend of masks, and the video."""
    self._video.close()
    if self._masks and self._about.class_names:
      lines = legend(self._about.class_names)
      write_png(self._about.output / "legend.png", lines)

  def _boxes(self, image: np.ndarray, row: Row) -> np.ndarray:
    sure, names = self._about.sure(row), self._about.class_names
    factor = enlargement(image.shape[:2], LEAST)
    image = enlarge(image, factor)
    found = (sure["boxes"] * factor, sure["label"], sure["score"])
    scale = readable_scale(image)
    drawn = draw_boxes(image, *found, class_names=names, scale=scale)
    points = sure.get("keypoints", np.zeros((0, 0, 3)))
    return draw_keypoints(drawn, points * [factor, factor, 1])

  def _text(self, image: np.ndarray, row: Row) -> np.ndarray:
    found = line(row, self._about)
    title = f"{found['text']} {found['score']:.2f}"
    return grid([image], 1, titles=[title], least=LEAST)

  def _outlines(self, image: np.ndarray, row: Row) -> np.ndarray:
    numbers = objects_of(row, self._about, image.shape[:2])
    drawn = draw_contours(image, numbers)
    several = "masks" in row and len(self._about.class_names) > 1
    return self._boxes(drawn, row) if several else drawn

  def _mask(self, image: np.ndarray, row: Row) -> np.ndarray:
    self._masks = True
    target = row["target"]
    k = len(self._about.class_names) or int(target.max(initial=0)) + 1
    return overlay_mask(image, target, k, ignore=None)
