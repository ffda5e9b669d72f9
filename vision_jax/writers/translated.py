"""Translated images as PNGs of the files' own size, and videos of frames."""

import pathlib
from typing import Any

import numpy as np

from vision_jax.data.images import resize_image
from vision_jax.viz.pixels import to_rgb
from vision_jax.viz.png import write_png
from vision_jax.writers.base import About, Row, height_width
from vision_jax.writers.video import FramesOut


class TranslatedWriter:
  """Writes `translated/NAME.png`, of `translated` (h w c) in [0, 1].

  Of the file's own size, to which bilinear filters bring what a net has seen at
  another one. Of a video's frames also a video of the same rate,
  `translated/VIDEO.mp4`.
  """

  needs = ("translated",)

  def __init__(self, about: About):
    self._folder = about.output / "translated"
    self._video = FramesOut(self._folder)

  def __call__(self, file: pathlib.Path, row: Row, name: str) -> dict[str, Any]:
    """Returns the image's file."""
    image = np.asarray(row["translated"], np.float32)
    image = to_rgb(resize_image(image, height_width(file)))
    path = self._folder / f"{name}.png"
    write_png(path, image)
    self._video.add(file, image)
    return {"translated": str(path)}

  def close(self) -> None:
    """Writes the video."""
    self._video.close()
