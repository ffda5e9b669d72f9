"""Masks as PNGs, in the values that the classes have in the masks given."""

import pathlib
from typing import Any

import numpy as np

from vision_jax.viz.overlay import resize_mask
from vision_jax.viz.png import write_png
from vision_jax.writers.base import About, Row, height_width


class MaskWriter:
  """Writes `masks/NAME.png`; the outputs have `target` (h w).

  Of the image's own size, grey of 8 bits, 16 where a value is above 255. A
  class has the value that it has in the masks trained on (0 and 255 of
  --config.mask_values=0,255), its number where those are the classes.
  """

  needs = ("target",)

  def __init__(self, about: About):
    self._output = about.output
    self._values = np.asarray(about.mask_values, np.int64)

  def __call__(self, file: pathlib.Path, row: Row, name: str) -> dict[str, Any]:
    """Returns the mask's file."""
    target = resize_mask(row["target"], height_width(file))
    # Of a call all masks have one type, if it knows the values.
    top = self._values if len(self._values) else target
    mask = self._values[target] if len(self._values) else target
    wide = int(top.max(initial=0)) > np.iinfo(np.uint8).max
    path = self._output / "masks" / f"{name}.png"
    write_png(path, mask.astype(np.uint16 if wide else np.uint8))
    return {"mask": str(path)}

  def close(self) -> None:
    """Has nothing to write."""
