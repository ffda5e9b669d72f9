"""Segmentation by a net that has an output for what is no class, the last."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np

from vision_jax.core.types import Array, Batch
from vision_jax.metrics.boundaries import Boundaries
from vision_jax.metrics.segmentation import (
  Segmentation,
  class_iou,
  segmentation_metrics,
)


@dataclasses.dataclass(frozen=True)
class WithVoid:
  """Metrics over all classes but the last, void, which may be predicted.

  `out` and the batch have `target` (b, h, w), void among them. The metrics,
  fractions in [0, 1], each from one confusion matrix of the data set:

  miou, class_accuracy, global_accuracy: pixels whose truth is void do not
    count, as usual; a pixel of a class that is predicted void is a miss.
  miou_void: where the truth is void a prediction of a class counts as false,
    as in the evaluation of SegNet's and ESPNet's authors.
  iou/NAME: of each class, the usual one.
  boundary_f1, boundary_f1/NAME, trimap_miou: see `Boundaries`, without pixels
    whose truth is void.

  Attributes:
    class_names: of the classes, without void.
    boundary_pixels, trimap_pixels: see `Segmentation`.
  """

  class_names: Sequence[str]
  boundary_pixels: int = 0
  trimap_pixels: int = 0
  state: ClassVar[Any] = None

  @property
  def names(self) -> tuple[str, ...]:
    """Names of the metrics that `result` may give."""
    near = self._edges.names(self.class_names)
    return (
      *_NAMES,
      "miou_void",
      *(f"iou/{x}" for x in self.class_names),
      *near,
    )

  def measure(
    self, state: Any, out: Any, batch: Batch
  ) -> tuple[dict[str, Array], dict[str, Array]]:
    """Sums the matrix (k + 1, k + 1), see `Segmentation`."""
    sums, rows = self._all.measure(state, out, batch)
    truth, guess = (x["target"].astype(jnp.int32) for x in (batch, out))
    known = (truth < len(self.class_names)) & (batch["mask"] > 0)[:, None, None]
    return sums | self._edges.sums(truth, guess, known), rows

  def result(self, sums: Mapping, rows: Mapping) -> dict[str, float]:
    """Reads the metrics off the matrix.

    Raises:
      UserError: if labels or predictions were no class, or none counted.
    """
    self._all.result(sums, rows)  # refuses what is no class
    kept = np.asarray(sums["confusion"], np.float64)
    usual = kept.copy()
    usual[-1] = 0
    found = segmentation_metrics(usual)
    iou, strict = class_iou(usual)[:-1], class_iou(kept)[:-1]
    found = {name: found[name] for name in _NAMES}
    found |= {"miou": np.nanmean(iou), "miou_void": np.nanmean(strict)}
    by_class = zip(self.class_names, iou, strict=True)
    known = {f"iou/{name}": x for name, x in by_class if not np.isnan(x)}
    # What is predicted void is a boundary to others, and no class of its own.
    edges = {k: x[:-1] for k, x in sums.items() if k.startswith("boundary")}
    found |= known | self._edges.f1(edges, self.class_names)
    if self.trimap_pixels and np.any(sums["trimap"]):
      found["trimap_miou"] = np.nanmean(class_iou(sums["trimap"])[:-1])
    return {name: float(x) for name, x in found.items()}

  @property
  def _edges(self) -> Boundaries:
    near = self.boundary_pixels, self.trimap_pixels
    return Boundaries(len(self.class_names) + 1, None, *near)

  @property
  def _all(self) -> Segmentation:
    return Segmentation(len(self.class_names) + 1, ignore=None)


_NAMES = ("miou", "class_accuracy", "global_accuracy")
