"""Files that show detections."""

import os
import pathlib
from collections.abc import Sequence

import numpy as np

from vision_jax.viz.boxes import draw_boxes
from vision_jax.viz.masks import write_png


def write_boxes(
  folder: str | os.PathLike[str],
  name: str,
  image: np.ndarray,
  boxes: np.ndarray,
  labels: np.ndarray | None = None,
  scores: np.ndarray | None = None,
  class_names: Sequence[str] = (),
) -> pathlib.Path:
  """Writes `overlays/NAME.png` into a folder: the image with its boxes.

  Args:
    folder: is made where it is missing.
    name: without suffix; may have folders in it.
    image: the original picture, see `to_rgb`.
    boxes: (n, 4) x1, y1, x2, y2 in pixels.
    labels, scores, class_names: see `draw_boxes`.

  Returns:
    The path of the overlay.

  Raises:
    OSError: if the file cannot be written.
  """
  shown = draw_boxes(image, boxes, labels, scores, class_names=class_names)
  path = pathlib.Path(folder, "overlays", f"{name}.png")
  write_png(path, shown)
  return path
