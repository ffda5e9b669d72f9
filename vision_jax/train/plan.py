"""How long a run is, how it draws batches, and how often it looks up."""

import dataclasses
from collections.abc import Mapping

from vision_jax.core.execution import Execution
from vision_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class Plan:
  """The numbers of a run; cadences are in steps.

  Attributes:
    steps: length of the whole run.
    batch_size: examples in a batch, over all processes.
    seed: seed of the initial weights and the keys of the steps.
    accumulate: microbatches in a step.
    norm_group: examples of which BatchNorm takes statistics; 0 for all.
    log_every, eval_every, save_every: steps between; 0 is only at the end.
    keep_best, keep_every: checkpoints kept besides the newest; of the second
      those whose step divides by it, 0 for none.
  """

  steps: int
  batch_size: int
  seed: int = 0
  accumulate: int = 1
  norm_group: int = 0
  log_every: int = 50
  eval_every: int = 0
  save_every: int = 0
  keep_best: int = 1
  keep_every: int = 0

  @classmethod
  def of(cls, values: Mapping[str, int]) -> "Plan":
    """Returns the plan that a config's values have."""
    return cls(**{f.name: values[f.name] for f in dataclasses.fields(cls)})

  def check(self, execution: Execution) -> None:
    """Checks that a batch splits into microbatches, and these into groups.

    Raises:
      UserError: saying what it has to divide by.
    """
    shards = execution.shards
    if self.batch_size % (self.accumulate * shards):
      raise UserError(
        f"--config.accumulate: {self.batch_size} examples on {shards} shards "
        f"do not split into accumulate={self.accumulate} parts of one size; "
        f"expected a batch_size that divides by {self.accumulate * shards}."
      )
    parts = self.accumulate * execution.divisor
    if self.norm_group and self.batch_size % (parts * self.norm_group):
      raise UserError(
        f"--config.norm_group: got {self.norm_group} with "
        f"{self.batch_size / parts:g} examples on each of {execution.devices} "
        "devices at a time; expected a divisor of them, or 0."
      )
