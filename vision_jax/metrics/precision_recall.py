"""Precision at given recalls, of detections that are known right or wrong."""

import numpy as np

RECALLS = np.linspace(0, 1, 101)  # COCO's


def precision_at(
  right: np.ndarray, number: int, recalls: np.ndarray = RECALLS
) -> np.ndarray:
  """Returns the best precision from each recall on; 0 where it is not reached.

  Its mean is the interpolated average precision: of 101 recalls COCO's, of 11
  that of VOC 2007.

  Args:
    right: (r,) whether each detection is right, the best score first.
    number: objects that there are to be found.
    recalls: (n,).
  """
  hits = np.cumsum(right)
  precision = hits / (np.arange(len(right)) + 1)
  best = np.maximum.accumulate(precision[::-1])[::-1]
  at = np.searchsorted(hits / max(number, 1), recalls)
  return np.append(best, 0.0)[at]
