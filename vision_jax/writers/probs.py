"""Probability maps as arrays: one .npy an image, of all classes."""

import io
import pathlib
from typing import Any

import cv2
import numpy as np

from vision_jax.files import replace_bytes
from vision_jax.writers.base import About, Row, height_width


class ProbsWriter:
  """Writes `probs/NAME.npy`; the outputs have `probs` (h, w, k).

  float32 (h, w, k) at the image's own size, in the order of the classes; the k
  of a pixel add up to 1. 4 h w k bytes a file: `prob_images` is smaller.
  """

  needs = ("probs",)

  def __init__(self, about: About):
    self._about = about

  def __call__(self, file: pathlib.Path, row: Row, name: str) -> dict[str, Any]:
    """Returns the file, and the classes in its order."""
    probs = own_size(file, row["probs"])
    path = self._about.output / "probs" / f"{name}.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    data = io.BytesIO()
    np.save(data, probs)
    replace_bytes(path, data.getvalue())
    return {"probs": str(path), "classes": list(self._about.class_names)}

  def close(self) -> None:
    """Has nothing to write."""


def own_size(file: pathlib.Path, probs: np.ndarray) -> np.ndarray:
  """Returns probs (h', w', k) at an image's size, float32 (h, w, k).

  Between pixels they are interpolated linearly, which keeps their sum.
  """
  return resized(probs, height_width(file))


def resized(probs: np.ndarray, size: tuple[int, int]) -> np.ndarray:
  """Returns probs (h', w', k) as float32 of size (h, w), likewise."""
  h, w = size
  probs = np.asarray(probs, np.float32)
  if probs.shape[:2] == (h, w):
    return probs
  resize = lambda x: cv2.resize(x, (w, h), interpolation=cv2.INTER_LINEAR)
  maps = [resize(np.ascontiguousarray(x)) for x in np.moveaxis(probs, -1, 0)]
  return np.stack(maps, -1)
