"""Masks as PNGs of class numbers, and as overlays."""

import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from etils import epath

from vision_jax.data.images import decode_image
from vision_jax.viz.masks import write_masks
from vision_jax.writers.base import Row


class MaskWriter:
  """Writes masks and overlays; the outputs have `target` (h, w).

  `mask` and `overlay` are the files, at the image's own size, and `share` is
  each class's part of the pixels.
  """

  needs = ("target",)

  def __init__(self, output: epath.Path, class_names: Sequence[str]):
    self._output, self._names = output, tuple(class_names)

  def __call__(
    self, file: pathlib.Path, row: Row, name: str = ""
  ) -> dict[str, Any]:
    """Returns the files and shares of an image."""
    image = decode_image(file.read_bytes(), 3, str(file))
    target = row["target"]
    mask, overlay = write_masks(
      self._output, name or file.stem, image, target, self._names
    )
    labels, counts = np.unique(target, return_counts=True)
    names = [self._names[k] if self._names else str(k) for k in labels]
    shares = np.round(counts / target.size, 6).tolist()
    return {
      "mask": str(mask),
      "overlay": str(overlay),
      "share": dict(zip(names, shares, strict=True)),
    }

  def close(self) -> None:
    """Has nothing to write."""
