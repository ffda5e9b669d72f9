"""A metric of each group of a data set's examples."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array, Batch, Metric
from vision_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class ByGroup:
  """Another metric of all examples, and `group/name` of those of each group.

  One compiled step measures what would be as many evaluations.

  Attributes:
    metric: what adds sums over examples, and has `names`.
    groups: their names; a batch's `group` int (b,) is a place among them.
  """

  metric: Metric
  groups: Sequence[str]

  def __post_init__(self):
    if not self.groups or len({*self.groups}) != len(self.groups):
      raise UserError(
        f"groups: got {tuple(self.groups)}; expected at least one, and each "
        "name once."
      )

  @property
  def state(self) -> Any:
    """The metric's."""
    return self.metric.state

  @property
  def names(self) -> tuple[str, ...]:
    """Names of the metrics that `result` may give."""
    own = tuple(self.metric.names)
    return (*own, *(f"{g}/{name}" for g in self.groups for name in own))

  def measure(
    self, state: Any, out: Any, batch: Batch
  ) -> tuple[dict[str, Array], dict[str, Array]]:
    """Returns the metric's sums of each group, with a leading axis.

    Raises:
      UserError: if the batch has no groups, or the metric gathers rows.
    """
    if "group" not in batch:
      raise UserError(
        f"batch: got the keys {sorted(batch)}; expected `group` (b,) as well, "
        "as data of a `Corrupted` source have it."
      )

    def one(number):
      mask = batch["mask"] * (batch["group"] == number)
      return self.metric.measure(state, out, {**batch, "mask": mask})

    sums, rows = jax.vmap(one)(jnp.arange(len(self.groups)))
    if rows:
      raise UserError(
        f"ByGroup: got {type(self.metric).__name__}, which gathers rows; "
        "expected a metric of sums, such as Accuracy."
      )
    return sums, rows

  def result(self, sums: Mapping, rows: Mapping) -> dict[str, float]:
    """Returns the metric of all examples, and of each group's."""
    whole = jax.tree.map(lambda x: x.sum(0), dict(sums))
    found = dict(self.metric.result(whole, rows))
    for number, group in enumerate(self.groups):
      own = jax.tree.map(lambda x, n=number: x[n], dict(sums))
      results = self.metric.result(own, rows)
      found |= {f"{group}/{name}": value for name, value in results.items()}
    return found
