"""Metrics over whole data sets, on every process and any execution."""

import collections
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import jax
import numpy as np

from vision_jax.core.execution import Compiled, Execution
from vision_jax.core.seeds import make_key
from vision_jax.core.step import make_eval_step, make_predict_step
from vision_jax.core.types import (
  Array,
  Batches,
  HostBatch,
  Mean,
  Metric,
  Objective,
  Variables,
)
from vision_jax.errors import UserError
from vision_jax.experiment import Eval, Experiment, check_split
from vision_jax.train.prefetch import Prefetch

T = TypeVar("T")
Metrics = dict[str, float]
ByKind = Callable[[str], Variables]  # of "raw" or "ema", as TrainState.weights


class EvaluationStopped(Exception):
  """An evaluation that a signal has ended."""


class Evaluator:
  """Evaluates a state on each of an experiment's data sets.

  Compiles a step for each data set at its first use and keeps it.

  Args:
    experiment: its task and evals.
    execution: where to run.
    seed: seed of the noise that some losses draw; the same at every evaluation.
  """

  def __init__(
    self, experiment: Experiment, execution: Execution, seed: int = 0
  ):
    self._experiment = experiment
    self._execution = execution
    self._key = execution.init(lambda: make_key(seed))
    self._steps: dict[object, Compiled] = {}
    self._states: dict[str, Any] = {}

  def __call__(
    self,
    weights: ByKind,
    only: str | None = None,
    *,
    costly: bool = True,
    stop: Callable[[], bool] = lambda: False,
  ) -> Metrics:
    """Returns `eval/metric` and `eval/ema/metric` for every data set.

    Args:
      weights: "raw" or "ema" -> (params, stats).
      only: measure these instead of what each Eval asks for.
      costly: whether to measure the costly ones too.
      stop: asked after every batch, by every process, whether to give up.

    Raises:
      EvaluationStopped: if it says so.
    """
    metrics = {}
    for name, data in self._experiment.evals.items():
      if data.costly and not costly:
        continue
      for which in data.weights if only is None else (only,):
        prefix = f"{name}/ema/" if which == "ema" else f"{name}/"
        results = self._measure(name, data, weights(which), stop)
        metrics |= {prefix + k: v for k, v in results.items()}
    return metrics

  def check(self, weights: ByKind) -> None:
    """Reads a batch of each data set and traces its step; compiles nothing.

    Args:
      weights: what a call takes; shapes will do.

    Raises:
      UserError: if the data, the batch size or the task do not fit.
    """
    for name, data in self._experiment.evals.items():
      others = [] if data.reference is None else [data.reference]
      for examples in (data.data, *others):
        batch = next(iter(self._loader(examples).epoch()), None)
        if batch is None:
          raise UserError(_no_examples(name))
        placed, step = self._execution.put(batch), self._step(name, data)
        for which in data.weights:
          args = (*weights(which), _states(data), placed, self._key)
          self._execution.trace(step, *args)

  def images(self, weights: ByKind) -> dict[str, np.ndarray]:
    """Returns `eval/name` -> image of every Eval that shows images.

    They are of this process's part of its first batch, with the last of the
    weights it measures. What does not count (padding, bad images) is left out.
    """
    images = {}
    for name, data in self._experiment.evals.items():
      if data.images is not None:
        batch, out = self._first(data, weights(data.weights[-1]))
        if len(batch["index"]):
          shown = data.images(batch, out)
          images |= {f"{name}/{key}": image for key, image in shown.items()}
    return images

  def _first(self, data: Eval, weights: Variables) -> tuple[HostBatch, Any]:
    """Returns what counts of a data set's first batch, and its outputs."""
    key = ("images", data.output)  # one program for all that show the same
    if key not in self._steps:
      task, inputs = self._experiment.task, self._experiment.inputs
      step = make_predict_step(task, inputs=inputs, output=data.output)
      self._steps[key] = self._execution.eval_step(step)
    batch = next(iter(self._loader(data.data).epoch()))
    placed = self._execution.put(batch)
    out = self._steps[key](*weights, (), placed, self._key)
    return _counting(batch, jax.device_get(out))

  def _measure(
    self, name: str, data: Eval, weights: Variables, stop: Callable[[], bool]
  ) -> Metrics:
    """Runs one data set, and its reference, through its compiled step."""
    run = lambda examples: self._total(name, data, weights, examples, stop)
    reference = Total() if data.reference is None else run(data.reference)
    return self._results(data.metrics, run(data.data), reference)

  def _total(
    self,
    name: str,
    data: Eval,
    weights: Variables,
    examples: Batches,
    stop: Callable[[], bool],
  ) -> "Total":
    step, states = self._compiled(name, data)
    total = Total()
    examples = self._loader(examples).epoch()
    with Prefetch(self._execution.put, examples) as batches:
      results = (step(*weights, states, b, self._key) for b in batches)
      for result in _one_behind(results):
        total.add(*jax.device_get(result))
        if stop():
          raise EvaluationStopped(name)
    if total.empty:
      raise UserError(_no_examples(name))
    return total

  def _loader(self, data: Batches) -> Batches:
    """This process's batches of a data set, of a size that divides."""
    loader = data.rounded(self._execution.divisor)
    return loader.shard(*self._execution.share)

  def _compiled(self, name: str, data: Eval) -> tuple[Compiled, Any]:
    if name not in self._states:
      self._states[name] = self._execution.place(_states(data))
    return self._step(name, data), self._states[name]

  def _step(self, name: str, data: Eval) -> Compiled:
    if name not in self._steps:
      task, inputs = self._experiment.task, self._experiment.inputs
      parts = self._execution.shards if data.losses else 1
      check_split(task, parts)
      options = {"output": data.output, "losses": data.losses}
      step = make_eval_step(task, data.metrics, inputs=inputs, **options)
      self._steps[name] = self._execution.eval_step(step)
    return self._steps[name]

  def _results(
    self, metrics: Mapping[str, Metric], total: "Total", reference: "Total"
  ) -> Metrics:
    found = total.losses(self._experiment.task.objectives)
    for name, metric in metrics.items():
      others = getattr(metric, "refers", False) and [reference.rows(name)]
      results = metric.result(
        total.sums[name], total.rows(name), *(others or ())
      )
      if twice := found.keys() & results.keys():
        raise UserError(
          f"metric {name!r}: its results {sorted(twice)} have those names "
          "already; give the metric's results other names."
        )
      found |= results
    return {key: float(value) for key, value in found.items()}


def _states(data: Eval) -> dict[str, Any]:
  return {name: metric.state for name, metric in data.metrics.items()}


def _one_behind(results: Iterator[T]) -> Iterator[T]:
  """Yields each result once the next is dispatched.

  While the host waits for one and adds it up, the devices have work.
  """
  before = next(results, None)
  for result in results:
    yield before
    before = result
  if before is not None:
    yield before


def _counting(batch: HostBatch, out: Any) -> tuple[HostBatch, Any]:
  """Returns the examples that count, and the rows of `out` that are theirs.

  Outputs are of all processes, a batch of one: `index` tells which is whose.
  """
  real = np.flatnonzero(batch["mask"] > 0)
  row_of = {int(index): row for row, index in enumerate(out["index"])}
  rows = np.array([row_of[int(i)] for i in batch["index"][real]], int)
  take = lambda tree, which: jax.tree.map(lambda x: x[which], tree)
  return take(batch, real), take(out, rows)


def _no_examples(name: str) -> str:
  return f"eval {name!r}: its data set has no examples."


class Total:
  """Sums in int64 and float64 on the host, and rows without repeats."""

  def __init__(self):
    self.empty = True
    self.sums: dict[str, Any] = {}
    self._means: dict[str, Mean] = {}
    self._rows = collections.defaultdict(list)

  def add(
    self,
    sums: dict[str, Any],
    rows: Mapping[str, Mapping[str, np.ndarray]],
    means: dict[str, Mean],
  ) -> None:
    """Adds one batch's global sums, rows and means."""
    sums, means = jax.tree.map(_wide, (sums, means))
    if not self.empty:
      old = (self.sums, self._means)
      sums, means = jax.tree.map(np.add, old, (sums, means))
    self.sums, self._means, self.empty = sums, means, False
    for name, row in rows.items():
      if row:
        self._rows[name].append(row)

  def rows(self, name: str) -> dict[str, np.ndarray]:
    """Returns a metric's rows, one for each example, by its index."""
    parts = self._rows.get(name)
    if not parts:
      return {}
    rows = {k: np.concatenate([p[k] for p in parts]) for k in parts[0]}
    real = np.flatnonzero(rows.pop("mask") > 0)
    _, first = np.unique(rows["index"][real], return_index=True)
    return {k: v[real[first]] for k, v in rows.items()}

  def losses(self, objectives: Sequence[Objective]) -> Metrics:
    """Returns each loss term; with one objective also their sum, `loss`."""
    terms = {
      name: float(m.total / m.count) if m.count else 0.0
      for name, m in self._means.items()
    }
    if len(objectives) == 1 and terms:
      weights = objectives[0].weights.items()  # some are of training alone
      terms["loss"] = sum(w * terms[k] for k, w in weights if k in terms)
    return terms


def _wide(x: Array | np.ndarray) -> np.ndarray:
  x = np.asarray(x)
  integer = np.issubdtype(x.dtype, np.integer)
  return x.astype(np.int64 if integer else np.float64)
