"""The contract every task, metric and execution keeps.

Axis letters, lower case, everywhere: `b` batch, `h w c` image, `l` tokens,
`d` features, `m` heads, `q` queries, `n` boxes (padded), `k` classes, `t` time.
Images are NHWC. A batch is a dict of arrays with one static shape, of which
`mask` (b,) says which examples count and `index` (b,) which ones they are.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np

Array = jax.Array
Batch = Mapping[str, Array]
HostBatch = Mapping[str, np.ndarray]  # a process's slice, of a loader
Nets = Mapping[str, Any]  # a pytree for each net's name
Variables = tuple[Nets, Nets]  # parameters and statistics
NO_NETS: Variables = ({}, {})
Inputs = Callable[[Batch], Batch]  # of the loader -> of augmentation and task
Augment = Callable[[Batch, Array], Batch]  # with a key, of the step
Output = Callable[[Nets, Nets, Batch, Array], Any]  # as `Task.predict`


def as_given(batch: Batch) -> Batch:
  """Returns the batch: inputs of a task that takes what the loader gives."""
  return batch


class Mean(NamedTuple):
  """A mean that is not divided yet, so that shards add up exactly.

  `count` depends on the batch only, never on a net's outputs; 0/0 is 0. In new
  statistics it may be an array, and where it is 0 they stay as they are.
  """

  total: Array
  count: Array

  def divide(self) -> Array:
    """Returns total / count, and 0 where the count is 0."""
    safe = jnp.where(self.count == 0, 1, self.count)
    return jnp.where(self.count == 0, 0, self.total / safe)

  @classmethod
  def of(cls, values: Array, weights: Array) -> "Mean":
    """The weighted mean of `values` (b, ...) by `weights` (b,).

    A value of weight 0 does not count even where it is not a number, so that
    padding never spoils a total. Nor does it spoil a gradient where that is
    finite: the derivative of what is left out is multiplied by 0, so it has to
    exist. The loader sees to it: rows of mask 0 are copies of real examples.
    """
    shape = weights.shape + (1,) * (values.ndim - weights.ndim)
    weights = jnp.broadcast_to(weights.reshape(shape), values.shape)
    kept = jnp.where(weights == 0, 0, values)
    return cls(jnp.sum(kept * weights), jnp.sum(weights))


class Rows(NamedTuple):
  """An objective's values of examples, for the statistics (n, ...) of its net.

  The step gathers those of the whole batch in order of `index`, newest last,
  and keeps n of these and of the ones before.
  """

  values: Array  # (b, ...)
  index: Array  # (b,), a batch's


Terms = tuple[dict[str, Mean], Nets]  # an objective's, and new statistics


class Loss(Protocol):
  """An elementwise loss, such as cross entropy: one number an example."""

  def __call__(self, logits: Array, label: Array, /) -> Array:
    """Maps logits (b, ...) and the truth (b, ...) to losses (b,)."""


class ObjectiveLoss(Protocol):
  """What an objective computes of a batch, on one shard."""

  def __call__(
    self,
    params: Nets,
    stats: Nets,
    batch: Batch,
    key: Array,
    *,
    step: Array | int,
    train: bool,
  ) -> Terms:
    """Returns the terms, and the statistics of all nets, its own net's new.

    These may be a `Mean` or `Rows` in the place of an array: of the batch, in
    how many parts an execution splits it.

    Args:
      params: the parameters of all nets: trained, following and fixed ones.
      stats: the statistics of all nets, by the net's name.
      batch: this shard's part of the batch.
      key: the key that all noise comes from.
      step: the number of the training step, 0 in an evaluation.
      train: whether it is differentiated; else statistics stay as they are.
    """


@dataclasses.dataclass(frozen=True)
class Objective:
  """One scalar to minimise, and the one net that descends it.

  Attributes:
    net: key into the parameters: "model", "generator", "discriminator".
    loss: a function that gives the terms of a batch's loss.
    weights: term -> weight in the sum; a term without a weight is only logged.
    repeat: updates in a step, on as many disjoint strided slices of the batch.
  """

  net: str
  loss: ObjectiveLoss
  weights: Mapping[str, float]
  repeat: int = 1


class Task(Protocol):
  """What is learned. No optimizer, device or data here.

  It may have `whole_batch`, true, where a loss compares the examples of a batch
  with each other: executions that split it, and microbatches, are then refused;
  "gathered" refuses microbatches alone, as it gathers what devices share.
  """

  objectives: Sequence[Objective]  # applied in order within a step

  def init(self, key: Array, batch: Batch) -> tuple[Nets, Nets]:
    """Returns parameters and statistics, dicts keyed by net."""

  def predict(self, params: Nets, stats: Nets, batch: Batch, key: Array) -> Any:
    """Returns outputs, a pytree of arrays with leading axis b."""


@runtime_checkable
class Generative(Protocol):
  """What a task that draws images has, besides what every `Task` has.

  Attributes:
    condition: what images can be asked for (`vision_jax/tasks/conditions.py`).
    value_range: (lowest, highest) value of a pixel in its images.
  """

  condition: Any
  value_range: tuple[float, float]

  def sample(
    self, params: Nets, stats: Nets, batch: Batch, key: Array, **options: Any
  ) -> dict[str, Array]:
    """Returns `image` (b, h, w, c), one for each `index` of the batch.

    Its keyword-only arguments, each with a default, are the options that a
    user may give. `batch` has what the condition reads, and an `image` that has
    a shape.
    """


class Metric(Protocol):
  """What is measured over a data set, on the device a batch at a time.

  `state` is what a metric needs besides the outputs (an extractor's weights):
  an argument of the compiled function, not a constant in it. Where it has
  `refers`, true, `result` is also given the rows of a reference data set, which
  the `Eval` names: what is measured there in the same way. It may also have
  `names`, of the metrics that its `result` may give.
  """

  state: Any

  def measure(
    self, state: Any, out: Any, batch: Batch
  ) -> tuple[dict[str, Array], dict[str, Array]]:
    """Returns sums, which add over batches, and rows, which are gathered.

    Sums leave the device after every batch and add in int64 or float64 on the
    host. Rows have leading axis b.
    """

  def result(
    self, sums: Mapping[str, Any], rows: Mapping[str, Any]
  ) -> dict[str, float]:
    """Returns named metrics from the whole data set's sums and rows (numpy)."""


class Batches(Protocol):
  """What a data set is to training and evaluation: a `Loader`, mostly.

  `batch_size` is over all processes.
  """

  batch_size: int

  def batch(self, step: int) -> HostBatch:
    """Returns this process's slice of the training batch of a step, pure."""

  def epoch(self) -> Iterator[HostBatch]:
    """Yields every example once, in order; the last batch is filled up."""

  def shard(self, process_index: int, process_count: int) -> "Batches":
    """Returns one process's slices of the same batches."""

  def rounded(self, devices: int) -> "Batches":
    """Returns batches of a size that `devices` divide, for evaluation."""

  def fingerprint(self) -> str:
    """Returns a short hash of the data."""

  def close(self) -> None:
    """Ends the threads that make batches; a next batch starts new ones."""
