"""Depth as 16-bit PNGs, and in colours to look at."""

import pathlib
from typing import Any

import cv2
import numpy as np

from vision_jax.viz.heat import depth_colours
from vision_jax.viz.png import write_png
from vision_jax.writers.base import About, Row, height_width

UNIT = 0.001  # metres that a value of 1 is, as in NYU's files
_MOST = 2**16 - 1


class DepthWriter:
  """Writes `depth/NAME.png` and `depth_colours/NAME.png`, of `depth` (h w).

  Grey of 16 bits at the image's own size, in millimetres; what is farther than
  65.535 m has that value. In colours the nearest is red, the farthest blue.
  """

  needs = ("depth",)

  def __init__(self, about: About):
    self._output = about.output

  def __call__(self, file: pathlib.Path, row: Row, name: str) -> dict[str, Any]:
    """Returns the files, and the unit of the first, in metres."""
    h, w = height_width(file)
    depth = np.asarray(row["depth"], np.float32)
    depth = cv2.resize(depth, (w, h), interpolation=cv2.INTER_LINEAR)
    whole = np.clip(np.round(depth / UNIT), 0, _MOST).astype(np.uint16)
    images = {"depth": whole, "depth_colours": depth_colours(depth)}
    paths = {x: self._output / x / f"{name}.png" for x in images}
    for kind, image in images.items():
      write_png(paths[kind], image)
    return {kind: str(path) for kind, path in paths.items()} | {
      "depth_unit": UNIT
    }

  def close(self) -> None:
    """Has nothing to write."""
