"""A few predictions of a batch beside the truth, to log while training."""

from collections.abc import Mapping, Sequence

import numpy as np

from vision_jax.viz.bands import show_bands
from vision_jax.viz.grid import grid
from vision_jax.viz.overlay import overlay_mask, with_legend


def segmentation_panel(
  batch: Mapping[str, np.ndarray],
  target: np.ndarray,
  class_names: Sequence[str],
  *,
  number: int = 4,
  ignore: int | None = 255,
  bands: Sequence[int] = (),
) -> np.ndarray:
  """Returns rows of image, truth and prediction with a legend, (h w 3) uint8.

  Args:
    batch: `image` (b, h, w, c), not normalised, and `target` and `mask` if it
      has them; examples of mask 0 are left out.
    target: (b, h, w) predicted labels.
    class_names: names of the labels.
    number: how many examples at most, the batch's first.
    ignore: the label that is no class.
    bands: of an image, that are shown, see `show_bands`.

  Raises:
    ValueError: if no example counts.
  """
  mask = batch.get("mask", np.ones(len(target)))
  chosen = np.flatnonzero(np.asarray(mask) > 0)[:number]
  masks = {"truth": batch.get("target"), "prediction": target}
  masks = {title: x for title, x in masks.items() if x is not None}
  cells = []
  for i in chosen:
    image = show_bands(batch["image"][i], bands)
    cells.append(image)
    for labels in masks.values():
      found = np.asarray(labels[i])
      cells.append(overlay_mask(image, found, len(class_names), ignore=ignore))
  titles = ["image", *masks] * len(chosen)
  return with_legend(grid(cells, 1 + len(masks), titles=titles), class_names)
