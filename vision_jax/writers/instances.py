"""Numbered objects as 16-bit PNGs."""

import pathlib
from typing import Any

import numpy as np

from vision_jax.viz.overlay import resize_mask
from vision_jax.viz.png import write_png
from vision_jax.writers.base import About, Row, height_width


class InstanceWriter:
  """Writes `instances/NAME.png`; the outputs have `instances` (h w).

  Grey of 16 bits, of the image's own size: 0 is background, and each object has
  a number of its own.
  """

  needs = ("instances",)

  def __init__(self, about: About):
    self._output = about.output

  def __call__(self, file: pathlib.Path, row: Row, name: str) -> dict[str, Any]:
    """Returns the map's file."""
    numbers = resize_mask(row["instances"], height_width(file))
    path = self._output / "instances" / f"{name}.png"
    write_png(path, numbers.astype(np.uint16))
    return {"instances": str(path)}

  def close(self) -> None:
    """Has nothing to write."""
