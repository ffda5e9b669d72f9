"""Metrics of a classifier's decisions: confusion, precision, recall, F1.

`out`, `label` and `mask` as `class_inputs` has them. All of them are read off
whole counts: int32 for a batch on the device, int64 on the host.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np

from vision_jax.core.checks import check_class_names
from vision_jax.core.types import Array, Batch
from vision_jax.errors import UserError
from vision_jax.metrics.class_inputs import (
  Measured,
  check_names,
  check_threshold,
  count_of,
  decided,
  indicators,
  inputs,
)
from vision_jax.metrics.confusion import device_confusion

AVERAGES = ("macro", "micro", "weighted")
SCORES = ("precision", "recall", "f1")


@dataclasses.dataclass(frozen=True)
class PrecisionRecallF1:
  """Precision, recall and F1, fractions in [0, 1].

  precision_macro, recall_macro, f1_macro: means over the classes that occur, in
    the labels or among the predictions, as scikit-learn and torchmetrics take
    them (of several labels an image those count a label that never occurs as 0;
    here it has no part in the mean there either).
  precision_micro, ...: of the counts of all classes together. With one class an
    image all three are the accuracy.
  precision_weighted, ...: means weighted by how often a class is the label.
  precision, recall, f1: of class 1, where two classes exclude each other.
  precision/NAME, ...: of each class that occurs, if class_names are given.

  What divides by nothing is 0, as in scikit-learn: the precision of a class
  that is never predicted, the recall of one that is never the label.

  Attributes:
    class_names: names in the order of the classes; () gives no metrics by
      class.
    averages: out of "macro", "micro" and "weighted".
    threshold: least probability at which a label, or class 1 of two, is
      predicted; None is the larger logit of two, and 0.5 for labels.
  """

  class_names: Sequence[str] = ()
  averages: Sequence[str] = ("macro",)
  threshold: float | None = None
  state: ClassVar[Any] = None

  def __post_init__(self):
    check_class_names("class_names", self.class_names)
    if unknown := sorted({*self.averages} - {*AVERAGES}):
      raise UserError(f"averages: got {unknown}; expected some of {AVERAGES}.")

  @property
  def names(self) -> tuple[str, ...]:
    """Names of the metrics that `result` may give."""
    ends = [f"_{average}" for average in self.averages]
    if len(self.class_names) in (0, 2):
      ends.append("")
    ends += [f"/{name}" for name in self.class_names]
    return tuple(score + end for end in ends for score in SCORES)

  def measure(self, state: Any, out: Any, batch: Batch) -> Measured:
    """Sums how often each class is predicted, the label, and both, (k,)."""
    del state
    logits, label, mask = inputs(out, batch)
    k = logits.shape[-1]
    check_names(self.class_names, k)
    check_threshold(self.threshold, label, k)
    real = mask[:, None] > 0
    guess = decided(label, logits, self.threshold) & real
    truth = indicators(label, logits) & real
    counted = {"guess": guess, "truth": truth, "both": guess & truth}
    sums = {k: jnp.sum(v, 0, dtype=jnp.int32) for k, v in counted.items()}
    binary = label.ndim == 1 and k == 2
    sums["count"] = jnp.sum(mask > 0, dtype=jnp.int32)
    return sums | ({"binary": sums["count"]} if binary else {}), {}

  def result(self, sums: Mapping, rows: Mapping) -> dict[str, float]:
    """Divides the counts."""
    del rows
    count_of(sums["count"])
    guess, truth, both = (
      np.asarray(sums[key], np.float64) for key in ("guess", "truth", "both")
    )
    values = _scores(guess, truth, both)
    found, occurs = {}, guess + truth > 0
    for average in self.averages:
      if average == "micro":
        means = _scores(guess.sum(), truth.sum(), both.sum())
      else:
        weights = truth if average == "weighted" else occurs
        means = _ratio(values @ weights, weights.sum())
      found |= _named(f"_{average}", means)
    if "binary" in sums:
      found |= _named("", values[:, 1])
    for i, name in enumerate(self.class_names):
      if occurs[i]:
        found |= _named(f"/{name}", values[:, i])
    return found


@dataclasses.dataclass(frozen=True)
class ConfusionMatrix:
  """Accuracy by class, from counts of (label, prediction).

  `balanced_accuracy` is the mean over the classes that have examples. A label
  that is out of range is not counted. With several labels an image each label
  has a matrix of its own: `confusion/NAME/tp`, `fp`, `fn` and `tn`, and nothing
  else.

  Attributes:
    class_names: names a class in `accuracy/NAME`; () gives no such metrics.
    matrix: whether to give `confusion/LABEL/PREDICTION` counts as well.
    threshold: see `PrecisionRecallF1`.
  """

  class_names: Sequence[str] = ()
  matrix: bool = False
  threshold: float | None = None
  state: ClassVar[Any] = None

  def __post_init__(self):
    check_class_names("class_names", self.class_names)

  def measure(self, state: Any, out: Any, batch: Batch) -> Measured:
    """Sums the matrix (k, k), row label; or (k, 2, 2) of several labels."""
    del state
    logits, label, mask = inputs(out, batch)
    k = logits.shape[-1]
    check_names(self.class_names, k)
    check_threshold(self.threshold, label, k)
    guess, real = decided(label, logits, self.threshold), mask > 0
    if label.ndim == 1:
      known = real & (label >= 0) & (label < k) & jnp.any(guess, -1)
      guess = jnp.argmax(guess, -1)
      return {"confusion": device_confusion(label, guess, known, k)}, {}
    return {"confusion": _by_label(label > 0, guess, real)}, {}

  def result(self, sums: Mapping, rows: Mapping) -> dict[str, float]:
    """Reads accuracies off the matrix; a class without examples has none."""
    del rows
    counts = np.asarray(sums["confusion"], np.float64)
    count_of(counts.sum())
    names = self.class_names or range(len(counts))
    if counts.ndim == 3:
      return _cells(counts, names, ("tn", "fp", "fn", "tp"))
    total = counts.sum(1)
    recall = _ratio(np.diag(counts), total)
    found = {"balanced_accuracy": float(recall[total > 0].mean())}
    for i, name in enumerate(self.class_names):
      if total[i] > 0:
        found[f"accuracy/{name}"] = float(recall[i])
    return found | (_cells(counts, names, names) if self.matrix else {})


def _scores(guess: Any, truth: Any, both: Any) -> np.ndarray:
  """Precision, recall and F1, (3, ...)."""
  divisors = np.stack([guess, truth, (guess + truth) / 2])
  return _ratio(np.broadcast_to(both, divisors.shape), divisors)


def _ratio(total: np.ndarray, count: Any) -> np.ndarray:
  """Divides, where there is nothing to divide by to 0."""
  count = np.broadcast_to(np.asarray(count, np.float64), np.shape(total))
  return np.divide(total, count, out=np.zeros(count.shape), where=count > 0)


def _named(end: str, values: np.ndarray) -> dict[str, float]:
  named = zip(SCORES, values, strict=True)
  return {f"{score}{end}": float(value) for score, value in named}


def _by_label(truth: Array, guess: Array, real: Array) -> Array:
  """Counts of (truth, guess) of each label, int32 (k, 2, 2)."""
  count = lambda t, g: jnp.sum(t & g & real[:, None], 0, dtype=jnp.int32)
  cells = [[count(t, g) for g in (~guess, guess)] for t in (~truth, truth)]
  return jnp.stack([jnp.stack(row, -1) for row in cells], -2)


def _cells(
  counts: np.ndarray, names: Sequence[Any], ends: Sequence[Any]
) -> dict[str, float]:
  """Names each count of each class, in the order of the ends."""
  return {
    f"confusion/{name}/{end}": float(value)
    for name, row in zip(names, counts, strict=True)
    for end, value in zip(ends, row.ravel(), strict=True)
  }
