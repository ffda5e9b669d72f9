"""Restored images as PNGs, with the bits and the colours that files have."""

import pathlib
from typing import Any

import numpy as np

from vision_jax.data.images import is_deep, is_grey
from vision_jax.viz.png import write_png
from vision_jax.writers.base import About, Row


class RestoredWriter:
  """Writes `restored/NAME.png`; the outputs have `restored` (h w c) in [0, 1].

  Of 16 bits where the file has more than 8. Grey where the file or the net is;
  of a grey file that a net has restored as colours, their mean is written.
  """

  needs = ("restored",)

  def __init__(self, about: About):
    self._output = about.output

  def __call__(self, file: pathlib.Path, row: Row, name: str) -> dict[str, Any]:
    """Returns the image's file."""
    data = file.read_bytes()
    dtype = np.dtype(np.uint16 if is_deep(data) else np.uint8)
    path = self._output / "restored" / f"{name}.png"
    share = np.clip(row["restored"], 0, 1).astype(np.float64)
    share = share.mean(-1, keepdims=True) if is_grey(data) else share
    image = np.round(share * np.iinfo(dtype).max).astype(dtype)
    write_png(path, image[..., 0] if image.shape[-1] == 1 else image)
    return {"restored": str(path)}

  def close(self) -> None:
    """Has nothing to write."""
