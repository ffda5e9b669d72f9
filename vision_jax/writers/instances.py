"""Numbered objects as 16-bit PNGs."""

import pathlib
from typing import Any

import numpy as np

from vision_jax.viz.png import write_png
from vision_jax.writers.base import About, Row, height_width, objects_of


class InstanceWriter:
  """Writes `instances/NAME.png`; the outputs have `instances` (h w).

  Grey of 16 bits, of the image's own size: 0 is background, and each object has
  a number of its own.
  """

  needs = ("instances",)

  def __init__(self, about: About):
    self._about = about

  def __call__(self, file: pathlib.Path, row: Row, name: str) -> dict[str, Any]:
    """Returns the map's file."""
    numbers = objects_of(row, self._about, height_width(file))
    path = self._about.output / "instances" / f"{name}.png"
    write_png(path, numbers.astype(np.uint16))
    return {"instances": str(path)}

  def close(self) -> None:
    """Has nothing to write."""
