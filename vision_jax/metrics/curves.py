"""ROC-AUC, average precision and the best threshold of classifiers.

All are exact: the logits of the data set are kept, and the metrics are of the
curves through each distinct score, as scikit-learn draws them. A score is the
log-odds of a class, in float32: near 1 probabilities would run together, and
with more digits rounding would part what is equal.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import jax.numpy as jnp
import numpy as np

from vision_jax.core.checks import check_class_names
from vision_jax.core.types import Batch
from vision_jax.metrics.class_inputs import (
  Measured,
  check_names,
  count_of,
  inputs,
)


@dataclasses.dataclass(frozen=True)
class Curves:
  """Areas under the ROC and the precision-recall curve, and a threshold.

  auc: area under the ROC curve: of class 1, where two classes exclude each
    other; else the mean over the classes, each against the rest, or over the
    labels, as scikit-learn's "ovr" and "macro".
  average_precision: the same mean of the area under the steps of precision over
    recall (not interpolated), as scikit-learn's.
  auc/NAME, average_precision/NAME: of each class, if class_names are given.
  threshold, threshold_f1: of two classes, or of labels, the probability from
    which on a class is predicted for the best F1, and that F1: of class 1, or
    of the counts of all labels together (micro). It lies half way between the
    probabilities that it parts; of equally good ones it is the largest.
  threshold/NAME: of each label alone, if class_names are given.

  A class without a positive or without a negative example has neither curve,
  and no part in the means (scikit-learn: NaN); a metric that no class has is
  left out. Scores that are not a number make what they touch NaN.

  Memory: 4 bytes a logit on every host (50,000 images of 1,000 classes: 0.2
  GB), and one sort a class when the data set has been seen.

  Attributes:
    class_names: names in the order of the classes; () gives no metrics by
      class.
  """

  class_names: Sequence[str] = ()
  state: ClassVar[Any] = None

  def __post_init__(self):
    check_class_names("class_names", self.class_names)

  @property
  def names(self) -> tuple[str, ...]:
    """Names of the metrics that `result` may give."""
    by_class = ("auc", "average_precision", "threshold")
    each = (f"{x}/{name}" for x in by_class for name in self.class_names)
    return (*by_class, "threshold_f1", *each)

  def measure(self, state: Any, out: Any, batch: Batch) -> Measured:
    """Returns logits (b, k) and labels (b,) or (b, k) as rows."""
    del state
    logits, label, _ = inputs(out, batch)
    check_names(self.class_names, logits.shape[-1])
    label = (label > 0).astype(jnp.uint8) if label.ndim == 2 else label
    return {}, {"logits": logits, "label": label}

  def result(self, sums: Mapping, rows: Mapping) -> dict[str, float]:
    """Sorts the scores of each class."""
    del sums
    logits, label = rows["logits"], rows["label"]
    count_of(len(logits))
    several, binary = label.ndim == 2, _binary(logits, label)
    curves = {
      k: ranked(truth, score)
      for k, (truth, score) in enumerate(_classes(logits, label))
    }
    main = {1: curves[1]} if binary else curves
    found = _mean("auc", main, auc) | _mean(
      "average_precision", main, average_precision
    )
    if several or binary:
      found |= _threshold(_together(logits, label) if several else main[1])
    for k, name in enumerate(self.class_names):
      found |= _of_class(curves[k], name, threshold=several)
    return found


class Ranked(NamedTuple):
  """Counts at and above each distinct score, the largest first, (s,)."""

  score: np.ndarray
  true: np.ndarray  # positive examples, int64
  false: np.ndarray  # negative examples, int64


def ranked(truth: np.ndarray, score: np.ndarray) -> Ranked:
  """Sorts examples: truth bool (n,), score (n,), n > 0."""
  order = np.argsort(-score)  # NaN last; the order of equal ones is no matter
  truth, score = truth[order], score[order]
  last = np.flatnonzero(np.append(score[1:] != score[:-1], True))
  true = np.cumsum(truth, dtype=np.int64)[last]
  return Ranked(score[last], true, last + 1 - true)


def auc(curve: Ranked) -> float | None:
  """Area under the ROC curve; None without positives or negatives."""
  positive, negative = int(curve.true[-1]), int(curve.false[-1])
  if not (positive and negative):
    return None
  if np.isnan(curve.score[-1]):
    return float("nan")
  true, false = (np.append(0, x) for x in (curve.true, curve.false))
  twice = np.sum(np.diff(false) * (true[1:] + true[:-1]))  # a whole number
  return int(twice) / (2 * positive * negative)


def average_precision(curve: Ranked) -> float | None:
  """Mean precision over the positive examples; None without both kinds."""
  if not (curve.true[-1] and curve.false[-1]):
    return None
  if np.isnan(curve.score[-1]):
    return float("nan")
  precision = curve.true / (curve.true + curve.false)
  gained = np.diff(curve.true, prepend=0)
  return float(np.sum(gained * precision) / curve.true[-1])


def best_f1(curve: Ranked) -> tuple[float, float] | None:
  """Returns (threshold, F1), see `Curves`; None without positives."""
  positive = curve.true[-1]
  if not positive:
    return None
  if np.isnan(curve.score[-1]):
    return float("nan"), float("nan")
  f1 = 2 * curve.true / (curve.true + curve.false + positive)
  best = int(np.argmax(f1))
  parted = _sigmoid(np.append(curve.score, -np.inf)[best : best + 2])
  return float(np.mean(parted)), float(f1[best])


def _binary(logits: np.ndarray, label: np.ndarray) -> bool:
  return label.ndim == 1 and logits.shape[1] == 2


def _classes(
  logits: np.ndarray, label: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
  """Yields each class's truth (n,) and score (n,)."""
  if label.ndim == 2:
    for k in range(logits.shape[1]):
      yield label[:, k] > 0, logits[:, k]
    return
  top, largest = logits.argmax(1), logits.max(1).astype(np.float64)
  rest = np.zeros(len(logits))  # a column at a time: float64 is twice as large
  for k, column in enumerate(logits.T):
    rest += np.where(top == k, 0, np.exp(column - largest))
  for k, column in enumerate(logits.T):
    lead = column - largest
    others = np.where(top == k, rest, 1 + rest - np.exp(lead))
    with np.errstate(divide="ignore"):  # sure, or out of the question
      score = lead - np.log(others)
    yield label == k, score.astype(np.float32)


def _together(logits: np.ndarray, label: np.ndarray) -> Ranked:
  return ranked(label.ravel() > 0, logits.ravel())


def _sigmoid(x: np.ndarray) -> np.ndarray:
  small = np.exp(-np.abs(x.astype(np.float64)))
  return np.where(x >= 0, 1, small) / (1 + small)


def _mean(name: str, curves: Mapping[int, Ranked], area: Any) -> dict:
  areas = [a for a in map(area, curves.values()) if a is not None]
  return {name: float(np.mean(areas))} if areas else {}


def _threshold(curve: Ranked, end: str = "") -> dict[str, float]:
  best = best_f1(curve)
  if best is None:
    return {}
  return {f"threshold{end}": best[0]} | (
    {} if end else {"threshold_f1": best[1]}
  )


def _of_class(curve: Ranked, name: str, *, threshold: bool) -> dict[str, float]:
  areas = {"auc": auc(curve), "average_precision": average_precision(curve)}
  found = {f"{k}/{name}": v for k, v in areas.items() if v is not None}
  return found | (_threshold(curve, f"/{name}") if threshold else {})
