"""Segmentation by a net that has an output for what is no class, the last."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from vision_jax.core.types import Array, Batch
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

  Attributes:
    class_names: of the classes, without void.
  """

  class_names: Sequence[str]
  state: ClassVar[Any] = None

  @property
  def names(self) -> tuple[str, ...]:
    """Names of the metrics that `result` may give."""
    return (*_NAMES, "miou_void", *(f"iou/{x}" for x in self.class_names))

  def measure(
    self, state: Any, out: Any, batch: Batch
  ) -> tuple[dict[str, Array], dict[str, Array]]:
    """Sums the matrix (k + 1, k + 1), see `Segmentation`."""
    return self._all.measure(state, out, batch)

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
    return {name: float(x) for name, x in (found | known).items()}

  @property
  def _all(self) -> Segmentation:
    return Segmentation(len(self.class_names) + 1, ignore=None)


_NAMES = ("miou", "class_accuracy", "global_accuracy")
