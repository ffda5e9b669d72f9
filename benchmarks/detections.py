"""What a detector finds in an evaluation, and what it gets wrong: for `shown`.

The rows are those of the evaluation's `AveragePrecision`.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vision_jax.core.types import HostBatch
from vision_jax.experiment import Eval
from vision_jax.metrics.coco import BoxTable
from vision_jax.metrics.detection import AveragePrecision
from vision_jax.metrics.detection_errors import (
  LEFT_OUT,
  RIGHT,
  ap_without,
  detection_errors,
  judge,
  precision_recall,
)
from vision_jax.writers.base import SURE

STRICT = 0.75  # IoU of the second curve
MOST = 4  # classes with a curve of their own, the worst ones
DIGITS = 4


def average_precision(data: Eval) -> AveragePrecision | None:
  """Returns what measures an evaluation's boxes; None where nothing does."""
  found = (x for x in data.metrics.values() if isinstance(x, AveragePrecision))
  metric = next(found, None)
  if metric is None or metric.annotations is None:
    return metric
  read = functools.cache(metric.annotations)  # it is asked once a batch
  return dataclasses.replace(metric, annotations=read)


class Detections:
  """Gathers the rows of batches.

  Args:
    metric: what measures them.
  """

  def __init__(self, metric: AveragePrecision):
    self._metric = metric
    self._truth: list[BoxTable] = []
    self._found: list[BoxTable] = []

  def add(self, batch: HostBatch, rows: Mapping[str, np.ndarray]) -> np.ndarray:
    """Adds a batch; returns how many errors each example has, (b,).

    Counted are objects that are missed and boxes that are wrong, of those that
    count where nothing says otherwise.
    """
    index = np.asarray(batch["index"])
    real = np.asarray(batch["mask"]) > 0
    kept = {k: np.asarray(x)[real] for k, x in rows.items()}
    truth, found = self._metric.tables(kept | {"index": index[real]})
    self._truth.append(truth)
    self._found.append(found)
    sure = _rows(found, found.score >= SURE)
    judged = judge(truth, sure)
    wrong = sure.image[~np.isin(judged.kind, (RIGHT, LEFT_OUT))]
    images = np.concatenate([wrong, truth.image[judged.missed]])
    return (images == index[:, None]).sum(1) * real

  def summary(self) -> dict[str, Any]:
    """Returns what `page.detection` draws.

    `ap50`; `curves`, [name, precision at 101 recalls] of the mean over the
    classes and of the worst classes; `errors`, [kind, number, what they cost].
    """
    truth, found = _joined(self._truth), _joined(self._found)
    judged = judge(truth, found)
    by_class = precision_recall(truth, found, judged)
    strict = judge(truth, found, foreground=STRICT)
    lines = {
      "IoU 0.5": _mean(by_class),
      f"IoU {STRICT}": _mean(precision_recall(truth, found, strict)),
    }
    worst = sorted(by_class, key=lambda k: by_class[k].mean())[:MOST]
    if len(by_class) > 1:
      lines |= {self._metric.class_names[k]: by_class[k] for k in worst}
    errors = detection_errors(truth, found, judged)
    return {
      "ap50": ap_without((), truth, found, judged),
      "curves": [[k, np.round(x, DIGITS).tolist()] for k, x in lines.items()],
      "errors": [[k, n, round(x, DIGITS)] for k, (n, x) in errors.items()],
    }


def _mean(lines: Mapping[int, np.ndarray]) -> np.ndarray:
  return np.mean([*lines.values()], 0) if lines else np.zeros(101)


def _rows(table: BoxTable, which: np.ndarray) -> BoxTable:
  columns = vars(table).items()
  return BoxTable(**{k: None if x is None else x[which] for k, x in columns})


def _joined(tables: Sequence[BoxTable]) -> BoxTable:
  """One table of several with the same columns."""
  there = [k for k, x in vars(tables[0]).items() if x is not None]
  join = lambda k: np.concatenate([getattr(x, k) for x in tables])
  return BoxTable(**{k: join(k) for k in there})
