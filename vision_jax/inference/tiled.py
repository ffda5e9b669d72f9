"""Predictions of large images, put together from those of their windows."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from vision_jax.core.types import Output, Task
from vision_jax.errors import UserError
from vision_jax.inference.merging import blend, merge_boxes, place_boxes
from vision_jax.inference.windows import Tiling, Window, Windows
from vision_jax.writers.base import SURE, Row
from vision_jax.writers.probs import resized

Rows = Iterator[tuple[int, Row | None]]


class Tiled:
  """What becomes of the rows of windows: those of images.

  Args:
    windows: of the images.
    tiling: how they are cut up.
    task: what predicts.
    shapes: of a window's outputs, by name.
    least: the least score of a box that counts; None for the usual.
    probs: whether probabilities are written.

  Raises:
    UserError: if what the task predicts is not put together.
  """

  def __init__(
    self,
    windows: Windows,
    tiling: Tiling,
    task: Task,
    shapes: Mapping[str, Any],
    least: float | None,
    *,
    probs: bool,
  ):
    self._windows, self._tiling, self._probs = windows, tiling, probs
    self._least = SURE if least is None else least
    self._merge: Callable[..., Row]
    self.output: Output | None = None
    whole = {"masks", "keypoints"} & shapes.keys()  # of the net's windows
    if {"boxes", "score", "label"} <= shapes.keys() and not whole:
      self._merge = self._boxes
    elif {"target", "probs"} <= shapes.keys():
      self._merge, self.output = self._masks, task.probs
      self._kind = shapes["target"].dtype
    else:
      names = ", ".join(sorted(shapes.keys() - {"index", "mask"}))
      raise UserError(
        f"--tile: {type(task).__name__} predicts {names} of an image as a "
        "whole; expected a task of boxes, or of masks with their "
        "probabilities, which are put together from windows. Leave --tile out."
      )

  def __call__(self, rows: Rows) -> Rows:
    """Yields (index, outputs) of each image, None for an unreadable one."""
    place = lambda entry: self._windows.places[entry[0]]
    for image, group in itertools.groupby(rows, lambda e: place(e).image):
      placed = ((place(entry), entry[1]) for entry in group)
      first = next(placed)
      if first[1] is None:  # decoded whole, an image is bad in all windows
        yield image, None
      else:
        placed = itertools.chain([first], placed)
        yield image, self._merge(placed, self._windows.sizes[image])

  def _boxes(
    self, placed: Iterator[tuple[Window, Row]], size: tuple[int, int]
  ) -> Row:
    parts = [
      place_boxes(row, (at.y, at.x), self._tiling.tile, size)
      for at, row in placed
    ]
    number = [np.full(len(x["score"]), i) for i, x in enumerate(parts)]
    whole = {k: np.concatenate([x[k] for x in parts]) for k in parts[0]}
    kept = merge_boxes(
      **whole, window=np.concatenate(number), least=self._least
    )
    return {k: whole[k][kept] for k in ("boxes", "score", "label")}

  def _masks(
    self, placed: Iterator[tuple[Window, Row]], size: tuple[int, int]
  ) -> Row:
    tiles = self._tiling.tiles
    parts = (resized(row["probs"], tiles.window) for _, row in placed)
    targets, probs = [], []
    for strip in blend(tiles, size, parts):
      targets.append(strip.argmax(-1).astype(self._kind))
      probs += [strip] if self._probs else []
    found = {"target": np.concatenate(targets)}
    return found | ({"probs": np.concatenate(probs)} if self._probs else {})
