"""Figures of classifiers.

`out` has `logits` (b, k), the batch `label`, int (b,), or for images with
several right answers indicators (b, k), and `mask` (b,). Examples of mask 0 do
not count, whatever their label. Figures are fractions in [0, 1] unless said.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from vision_jax.core.checks import check_class_names
from vision_jax.core.types import Array, Batch
from vision_jax.errors import UserError

Measured = tuple[dict[str, Array], dict[str, Array]]


@dataclasses.dataclass(frozen=True)
class Accuracy:
  """Part of the examples whose label is among the `top` largest logits.

  `accuracy` is top-1, `top5_accuracy` top-5, and so on. Of equal logits the
  lower class is the larger, as in argmax. Logits that are NaN are wrong.
  """

  top: Sequence[int] = (1,)
  state: ClassVar[Any] = None

  def __post_init__(self):
    if not self.top or min(self.top) < 1:
      raise UserError(f"top: got {self.top}; expected numbers >= 1.")

  @property
  def names(self) -> tuple[str, ...]:
    """Of the figures that `result` may give."""
    return tuple(map(_top_name, self.top))

  def measure(self, state: Any, out: Any, batch: Batch) -> Measured:
    """Sums the hits of each `top`, and the mask."""
    del state
    logits, label, mask = _inputs(out, batch)
    _check_top(self.top, logits.shape[-1])
    rank = _rank(logits, label)
    sums = {f"top{n}": jnp.sum(mask * (rank < n)) for n in self.top}
    return sums | {"count": jnp.sum(mask)}, {}

  def result(self, sums: Mapping, rows: Mapping) -> dict[str, float]:
    """Divides by the number of examples."""
    del rows
    count = _count(sums["count"])
    return {_top_name(n): float(sums[f"top{n}"]) / count for n in self.top}


@dataclasses.dataclass(frozen=True)
class NegativeLogLikelihood:
  """Mean of minus the log-likelihood of the label, `nll`, in nats."""

  state: ClassVar[Any] = None

  def measure(self, state: Any, out: Any, batch: Batch) -> Measured:
    """Sums the log-likelihoods and the mask."""
    del state
    logits, label, mask = _inputs(out, batch)
    log_p = jax.nn.log_softmax(logits)
    log_p = jnp.sum(jnp.where(_indicators(label, log_p), log_p, 0), -1)
    total = jnp.sum(jnp.where(mask > 0, -log_p * mask, 0))
    return {"nll": total, "count": jnp.sum(mask)}, {}

  def result(self, sums: Mapping, rows: Mapping) -> dict[str, float]:
    """Divides by the number of examples."""
    del rows
    return {"nll": float(sums["nll"]) / _count(sums["count"])}


@dataclasses.dataclass(frozen=True)
class ConfusionMatrix:
  """Accuracy by class, from counts of (label, prediction).

  `balanced_accuracy` is the mean over the classes that have examples. A label
  that is out of range is not counted.

  Attributes:
    class_names: names a class in `accuracy/NAME`; () gives no such figures.
    matrix: whether to give `confusion/LABEL/PREDICTION` counts as well.
  """

  class_names: Sequence[str] = ()
  matrix: bool = False
  state: ClassVar[Any] = None

  def __post_init__(self):
    check_class_names("class_names", self.class_names)

  def measure(self, state: Any, out: Any, batch: Batch) -> Measured:
    """Sums the matrix (k, k): row label, column prediction."""
    del state
    logits, label, mask = _inputs(out, batch)
    k = logits.shape[-1]
    if label.ndim != 1:
      raise UserError(
        f"label: got shape {label.shape}; a confusion matrix takes one class "
        "an example, int (b,)."
      )
    if self.class_names and len(self.class_names) != k:
      raise UserError(
        f"class_names: got {len(self.class_names)} for {k} logits."
      )
    truth = jax.nn.one_hot(label, k) * mask[:, None]
    guess = jax.nn.one_hot(jnp.argmax(logits, -1), k)
    highest = jax.lax.Precision.HIGHEST
    return {"confusion": jnp.matmul(truth.T, guess, precision=highest)}, {}

  def result(self, sums: Mapping, rows: Mapping) -> dict[str, float]:
    """Reads accuracies off the matrix; a class without examples has none."""
    del rows
    counts = np.asarray(sums["confusion"], np.float64)
    total = counts.sum(1)
    _count(total.sum())
    recall = np.diag(counts) / np.where(total > 0, total, 1)
    found = {"balanced_accuracy": float(recall[total > 0].mean())}
    for i, name in enumerate(self.class_names):
      if total[i] > 0:
        found[f"accuracy/{name}"] = float(recall[i])
    if self.matrix:
      names = self.class_names or range(len(counts))
      for i, name in enumerate(names):
        for j, guess in enumerate(names):
          found[f"confusion/{name}/{guess}"] = float(counts[i, j])
    return found


@dataclasses.dataclass(frozen=True)
class CalibrationError:
  """Expected calibration error, `calibration_error`.

  The mean over examples of |accuracy - confidence| of their bin, with `bins`
  bins of the largest probability, of one width: Guo et al.,
  https://arxiv.org/abs/1706.04599.
  """

  bins: int = 15
  state: ClassVar[Any] = None

  def measure(self, state: Any, out: Any, batch: Batch) -> Measured:
    """Sums confidences, hits and the mask by bin."""
    del state
    logits, label, mask = _inputs(out, batch)
    confidence = jnp.max(jax.nn.softmax(logits), -1)
    confidence = jnp.where(mask > 0, confidence, 0)
    slot = jnp.ceil(confidence * self.bins).astype(jnp.int32) - 1
    member = jax.nn.one_hot(jnp.clip(slot, 0, self.bins - 1), self.bins)
    member *= mask[:, None]
    values = {
      "confidence": confidence,
      "hit": _rank(logits, label) < 1,
      "count": jnp.ones_like(mask),
    }
    return {k: jnp.sum(v[:, None] * member, 0) for k, v in values.items()}, {}

  def result(self, sums: Mapping, rows: Mapping) -> dict[str, float]:
    """Adds the bins' gaps."""
    del rows
    gap = np.abs(np.asarray(sums["hit"]) - np.asarray(sums["confidence"]))
    error = gap.sum() / _count(np.sum(sums["count"]))
    return {"calibration_error": float(error)}


def _top_name(n: int) -> str:
  return "accuracy" if n == 1 else f"top{n}_accuracy"


def _inputs(out: Any, batch: Batch) -> tuple[Array, Array, Array]:
  logits, label = out["logits"].astype(jnp.float32), batch["label"]
  if label.shape not in (logits.shape[:1], logits.shape) or logits.ndim != 2:
    raise UserError(
      f"label: got shape {label.shape} for logits {logits.shape}; expected "
      "logits (b, k) and label (b,) or (b, k)."
    )
  return logits, label, batch["mask"].astype(jnp.float32)


def _indicators(label: Array, logits: Array) -> Array:
  if label.ndim == 2:
    return label > 0
  return label[:, None] == jnp.arange(logits.shape[-1])


def _rank(logits: Array, label: Array) -> Array:
  """Returns how many classes come before the label's first one, (b,)."""
  k = logits.shape[-1]
  right = _indicators(label, logits)
  best = jnp.argmax(jnp.where(right, logits, -jnp.inf), -1)
  best = jnp.where(jnp.any(right, -1), best, k)  # out of range: after them all
  value = jnp.take_along_axis(logits, jnp.minimum(best, k - 1)[:, None], -1)
  before = (logits > value) | (
    (logits == value) & (jnp.arange(k) < best[:, None])
  )
  bad = jnp.any(jnp.isnan(logits), -1) | (best == k)
  return jnp.where(bad, k, jnp.sum(before, -1))


def _check_top(top: Sequence[int], k: int) -> None:
  if max(top) > k:
    raise UserError(
      f"top: got {tuple(top)} for {k} classes; expected numbers <= {k}."
    )


def _count(count: Any) -> float:
  if not count > 0:
    raise UserError("No example has mask 1; expected one at least.")
  return float(count)
