"""How far probabilities are from frequencies: calibration errors."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from vision_jax.core.types import Array, Batch
from vision_jax.errors import UserError
from vision_jax.metrics.class_inputs import (
  Measured,
  count_of,
  decided,
  indicators,
  inputs,
  probs,
)


@dataclasses.dataclass(frozen=True)
class CalibrationError:
  """Expected calibration error, `ece`, a fraction in [0, 1].

  The mean over examples of |frequency - confidence| of their bin, with `bins`
  bins of one width: Guo et al., https://arxiv.org/abs/1706.04599. With one
  class an image the confidence is the largest probability and the frequency is
  that of being right; with several labels an image each label is an example,
  with its probability and how often it is there.

  Attributes:
    bins: how many, each with its upper edge.
  """

  bins: int = 15
  names: ClassVar[tuple[str, ...]] = ("ece",)
  state: ClassVar[Any] = None

  def __post_init__(self):
    if self.bins < 1:
      raise UserError(f"bins: got {self.bins}; expected a number >= 1.")

  def measure(self, state: Any, out: Any, batch: Batch) -> Measured:
    """Sums confidences, hits and examples by bin, (bins,)."""
    del state
    logits, label, mask = inputs(out, batch)
    confidence, hit = _examples(logits, label)
    real = jnp.broadcast_to(mask[:, None] > 0, hit.shape)
    confidence = jnp.where(real, confidence, 0)
    slot = jnp.ceil(confidence * self.bins).astype(jnp.int32) - 1
    slot = jnp.clip(slot, 0, self.bins - 1)
    zeros = jnp.zeros(self.bins, jnp.int32)
    counted = {"hit": hit & real, "count": real}
    sums = {k: zeros.at[slot].add(v) for k, v in counted.items()}
    total = zeros.astype(jnp.float32).at[slot].add(confidence)
    return sums | {"confidence": total}, {}

  def result(self, sums: Mapping, rows: Mapping) -> dict[str, float]:
    """Adds the bins' gaps."""
    del rows
    gap = np.abs(np.asarray(sums["hit"]) - np.asarray(sums["confidence"]))
    return {"ece": float(gap.sum() / count_of(np.sum(sums["count"])))}


def _examples(logits: Array, label: Array) -> tuple[Array, Array]:
  """Returns confidences and whether they are right, (b, 1) or (b, k)."""
  truth = indicators(label, logits)
  if label.ndim == 2:
    return probs(label, logits), truth
  hit = jnp.any(decided(label, logits, None) & truth, -1, keepdims=True)
  return jnp.max(jax.nn.softmax(logits), -1, keepdims=True), hit
