"""Probability maps as images: one 16-bit PNG a class and image."""

import pathlib
from typing import Any

import numpy as np

from vision_jax.viz.png import write_png
from vision_jax.writers.base import About, Row
from vision_jax.writers.probs import own_size

WHITE = 2**16 - 1


class ProbImageWriter:
  """Writes `probs/K/NAME.png` of each class K; the outputs have `probs`.

  Grey of 16 bits at the image's own size, which image viewers and Fiji open:
  0 is a probability of 0 and 65535 of 1.
  """

  needs = ("probs",)

  def __init__(self, about: About):
    self._about = about

  def __call__(self, file: pathlib.Path, row: Row, name: str) -> dict[str, Any]:
    """Returns the file of each class."""
    maps = np.moveaxis(own_size(file, row["probs"]), -1, 0)
    paths = {}
    for k, probs in enumerate(np.round(np.clip(maps, 0, 1) * WHITE)):
      path = self._about.output / "probs" / str(k) / f"{name}.png"
      write_png(path, probs.astype(np.uint16))
      paths[self._about.name(k)] = str(path)
    return {"prob_images": paths}

  def close(self) -> None:
    """Has nothing to write."""
