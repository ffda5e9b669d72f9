"""Accuracy and likelihood of classifiers.

`out` has `logits` (b, k), the batch `label`, int (b,), or for images with
several right answers indicators (b, k), and `mask` (b,). Examples of mask 0 do
not count, whatever their label. Metrics are fractions in [0, 1] unless said.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array, Batch
from vision_jax.errors import UserError
from vision_jax.metrics.class_inputs import (
  Measured,
  count_of,
  indicators,
  inputs,
)


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
    """Names of the metrics that `result` may give."""
    return tuple(map(_top_name, self.top))

  def measure(self, state: Any, out: Any, batch: Batch) -> Measured:
    """Sums the hits of each `top`, and the mask."""
    del state
    logits, label, mask = inputs(out, batch)
    _check_top(self.top, logits.shape[-1])
    rank = _rank(logits, label)
    sums = {f"top{n}": jnp.sum(mask * (rank < n)) for n in self.top}
    return sums | {"count": jnp.sum(mask)}, {}

  def result(self, sums: Mapping, rows: Mapping) -> dict[str, float]:
    """Divides by the number of examples."""
    del rows
    count = count_of(sums["count"])
    return {_top_name(n): float(sums[f"top{n}"]) / count for n in self.top}


@dataclasses.dataclass(frozen=True)
class NegativeLogLikelihood:
  """Mean of minus the log-likelihood of an image's label, `nll`, in nats.

  With several labels an image the sum over all of them, there or not.
  """

  state: ClassVar[Any] = None

  def measure(self, state: Any, out: Any, batch: Batch) -> Measured:
    """Sums the log-likelihoods and the mask."""
    del state
    logits, label, mask = inputs(out, batch)
    right = indicators(label, logits)
    if label.ndim == 2:
      log_p = jax.nn.log_sigmoid(jnp.where(right, logits, -logits))
    else:
      log_p = jnp.where(right, jax.nn.log_softmax(logits), 0)
    log_p = jnp.sum(log_p, -1)
    total = jnp.sum(jnp.where(mask > 0, -log_p * mask, 0))
    return {"nll": total, "count": jnp.sum(mask)}, {}

  def result(self, sums: Mapping, rows: Mapping) -> dict[str, float]:
    """Divides by the number of examples."""
    del rows
    return {"nll": float(sums["nll"]) / count_of(sums["count"])}


def _top_name(n: int) -> str:
  return "accuracy" if n == 1 else f"top{n}_accuracy"


def _rank(logits: Array, label: Array) -> Array:
  """Returns how many classes come before the label's first one, (b,)."""
  k = logits.shape[-1]
  right = indicators(label, logits)
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
