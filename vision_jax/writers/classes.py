"""The most likely classes of an image, in `predictions.jsonl` alone."""

import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from etils import epath

from vision_jax.writers.base import Row

TOP = 5


class ClassWriter:
  """Tells an image's most likely classes; the outputs have `logits` (k,).

  `label` (index), `class` (name), `score` (probability), and `top`, the five
  most likely with their scores.
  """

  needs = ("logits",)

  def __init__(self, output: epath.Path, class_names: Sequence[str]):
    del output
    self._names = class_names

  def __call__(
    self, file: pathlib.Path, row: Row, name: str = ""
  ) -> dict[str, Any]:
    """Returns the classes of an image."""
    del file, name
    shifted = np.exp(row["logits"] - row["logits"].max())
    scores = shifted / shifted.sum()
    order = np.argsort(-scores)[:TOP]
    top = [
      {"class": self._name(k), "score": round(float(scores[k]), 6)}
      for k in order
    ]
    return {"label": int(order[0])} | top[0] | {"top": top}

  def close(self) -> None:
    """Has nothing to write."""

  def _name(self, k: int) -> str:
    return self._names[k] if self._names else str(k)
