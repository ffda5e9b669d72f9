"""Restored images as PNGs, with the bits and the colours that files have."""

import logging
import pathlib
from typing import Any

import numpy as np

from vision_jax.data.images import is_deep, is_grey
from vision_jax.viz.png import write_png
from vision_jax.writers.base import About, Row

_LOG = logging.getLogger(__name__)


class RestoredWriter:
  """Writes `restored/NAME.png`; the outputs have `restored` (h w c) in [0, 1].

  Of 16 bits where the file has more than 8. Grey where the file or the net is,
  with a warning where the file alone has colours; of a grey file that a net has
  restored as colours, their mean is written.
  """

  needs = ("restored",)

  def __init__(self, about: About):
    self._output = about.output
    self._warned = False

  def __call__(self, file: pathlib.Path, row: Row, name: str) -> dict[str, Any]:
    """Returns the image's file."""
    data = file.read_bytes()
    dtype = np.dtype(np.uint16 if is_deep(data) else np.uint8)
    path = self._output / "restored" / f"{name}.png"
    share = np.clip(row["restored"], 0, 1).astype(np.float64)
    if is_grey(data):
      share = share.mean(-1, keepdims=True)
    elif share.shape[-1] == 1:
      self._warn(file)
    image = np.round(share * np.iinfo(dtype).max).astype(dtype)
    write_png(path, image[..., 0] if image.shape[-1] == 1 else image)
    return {"restored": str(path)}

  def _warn(self, file: pathlib.Path) -> None:
    if not self._warned:
      _LOG.warning(
        "%s has colours, and this net has one channel: what it restores is "
        "grey. A net of colours, or one of luma with its colours, keeps them.",
        file,
      )
    self._warned = True

  def close(self) -> None:
    """Has nothing to write."""
