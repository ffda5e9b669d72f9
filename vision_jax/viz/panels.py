"""A few predictions of a batch as one picture, to log while training."""

from collections.abc import Mapping, Sequence

import numpy as np

from vision_jax.viz.grid import grid
from vision_jax.viz.overlay import side_by_side, with_legend


def segmentation_panel(
  batch: Mapping[str, np.ndarray],
  target: np.ndarray,
  class_names: Sequence[str],
  *,
  number: int = 4,
  ignore: int | None = 255,
) -> np.ndarray:
  """Returns rows of image, truth and prediction with a legend, (h w 3) uint8.

  Args:
    batch: `image` (b, h, w, c), not normalised, and `target` and `mask` if it
      has them; examples of mask 0 are left out.
    target: (b, h, w) predicted labels.
    class_names: of the labels.
    number: of examples at most, the batch's first.
    ignore: the label that is no class.

  Raises:
    ValueError: if no example counts.
  """
  mask = batch.get("mask", np.ones(len(target)))
  chosen = np.flatnonzero(np.asarray(mask) > 0)[:number]
  truth = batch.get("target")
  rows = [
    side_by_side(
      np.asarray(batch["image"][i]),
      None if truth is None else np.asarray(truth[i]),
      np.asarray(target[i]),
      len(class_names),
      ignore=ignore,
    )
    for i in chosen
  ]
  return with_legend(grid(rows, columns=1), class_names)
