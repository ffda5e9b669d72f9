"""A metric where outputs and batches have other names for what it reads."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp

from vision_jax.core.types import Array, Batch, Metric


@dataclasses.dataclass(frozen=True, eq=False)
class Renamed:
  """Another metric, of what has other names, or another range of values.

  Attributes:
    metric: what is measured.
    out: its name of an output -> the task's.
    batch: its name of what a batch has -> the batch's.
    signed: whether images so named are of [0, 1], and the metric's of [-1, 1].
    prefix: goes before the names of its results.
  """

  metric: Metric
  out: Mapping[str, str] = dataclasses.field(default_factory=dict)
  batch: Mapping[str, str] = dataclasses.field(default_factory=dict)
  signed: bool = False
  prefix: str = ""

  @property
  def state(self) -> Any:
    """The metric's."""
    return self.metric.state

  @property
  def names(self) -> tuple[str, ...]:
    """Names of the metrics that `result` may give."""
    return tuple(f"{self.prefix}{name}" for name in self.metric.names)

  def measure(
    self, state: Any, out: Any, batch: Batch
  ) -> tuple[dict[str, Array], dict[str, Array]]:
    """Returns the metric's sums and rows."""
    return self.metric.measure(
      state, self._named(out, self.out), self._named(batch, self.batch)
    )

  def result(
    self, sums: Mapping[str, Any], rows: Mapping[str, Any]
  ) -> dict[str, float]:
    """Returns the metric's results, by their names."""
    found = self.metric.result(sums, rows)
    return {f"{self.prefix}{name}": value for name, value in found.items()}

  def _named(
    self, given: Mapping[str, Array], names: Mapping[str, str]
  ) -> dict[str, Array]:
    found = {name: given[own] for name, own in names.items()}
    if self.signed:
      found = {
        k: 2 * x - 1 if jnp.ndim(x) == 4 else x for k, x in found.items()
      }
    return {**given, **found}
