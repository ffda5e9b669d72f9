"""Figures over whole data sets, on every process and any execution."""

import collections
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import numpy as np

from vision_jax.core.execution import Execution
from vision_jax.core.seeds import make_key
from vision_jax.core.step import make_eval_step, make_predict_step
from vision_jax.core.types import Batches
from vision_jax.errors import UserError
from vision_jax.experiment import Eval, Experiment
from vision_jax.train.prefetch import Prefetch


class EvaluationStopped(Exception):
  """An evaluation that a signal has ended."""


class Evaluator:
  """Evaluates a state on each of an experiment's data sets.

  Compiles a step for each data set at its first use and keeps it.

  Args:
    experiment: its task and evals.
    execution: where to run.
    seed: of the noise that some losses draw; the same at every evaluation.
  """

  def __init__(
    self, experiment: Experiment, execution: Execution, seed: int = 0
  ):
    self._experiment = experiment
    self._execution = execution
    self._key = execution.init(lambda: make_key(seed))
    self._steps: dict[str, Any] = {}
    self._states: dict[str, Any] = {}

  def __call__(
    self,
    weights: Callable[[str], tuple[Any, Any]],
    only: str | None = None,
    *,
    costly: bool = True,
    stop: Callable[[], bool] = lambda: False,
  ) -> dict[str, float]:
    """Returns `eval/figure` and `eval/ema/figure` for every data set.

    Args:
      weights: "raw" or "ema" -> (params, stats), as TrainState.weights.
      only: measure these instead of what each Eval asks for.
      costly: whether to measure the costly ones too.
      stop: asked after every batch, by every process, whether to give up.

    Raises:
      EvaluationStopped: if it says so.
    """
    figures = {}
    for name, data in self._experiment.evals.items():
      if data.costly and not costly:
        continue
      for which in data.weights if only is None else (only,):
        prefix = f"{name}/ema/" if which == "ema" else f"{name}/"
        results = self._measure(name, data, weights(which), stop)
        figures |= {prefix + k: v for k, v in results.items()}
    return figures

  def check(self, weights: Callable[[str], tuple[Any, Any]]) -> None:
    """Reads a batch of each data set and traces its step; compiles nothing.

    Args:
      weights: as for a call; shapes will do.

    Raises:
      UserError: if the data, the batch size or the task do not fit.
    """
    for name, data in self._experiment.evals.items():
      batch = next(iter(self._loader(data).epoch()), None)
      if batch is None:
        raise UserError(_no_examples(name))
      placed = self._execution.put(batch)
      states = {key: metric.state for key, metric in data.metrics.items()}
      for which in data.weights:
        self._trace(name, data, *weights(which), states, placed)

  def _trace(self, name: str, data: Eval, *args: Any) -> None:
    axis = self._execution.axis
    if axis is None:
      self._step(name, data).eval_shape(*args, self._key)
      return
    # pmap tells no shapes over several processes: one shard of the step then.
    *others, batch = args
    shard = {
      k: jax.ShapeDtypeStruct(x.shape[1:], x.dtype) for k, x in batch.items()
    }
    step = self._make_step(data)
    trace = jax.make_jaxpr(step, axis_env=[(axis, self._execution.devices)])
    trace(*others, shard, self._key)

  def pictures(
    self, weights: Callable[[str], tuple[Any, Any]]
  ) -> dict[str, np.ndarray]:
    """Returns `eval/name` -> image of every Eval that shows pictures.

    They are of this process's part of its first batch, with the last of the
    weights it measures. What does not count (padding, bad images) is left out.
    """
    images = {}
    for name, data in self._experiment.evals.items():
      if data.pictures is not None:
        batch, out = self._first(name, data, weights(data.weights[-1]))
        if len(batch["index"]):
          shown = data.pictures(batch, out)
          images |= {f"{name}/{key}": image for key, image in shown.items()}
    return images

  def _first(self, name: str, data: Eval, weights: Any) -> tuple[Any, Any]:
    """Returns what counts of a data set's first batch, and its outputs."""
    key = f"{name} pictures"
    if key not in self._steps:
      step = make_predict_step(
        self._experiment.task,
        inputs=self._experiment.inputs,
        output=data.output,
        axis=self._execution.axis,
      )
      self._steps[key] = self._execution.eval_step(step)
    batch = next(iter(self._loader(data).epoch()))
    placed = self._execution.put(batch)
    out = self._steps[key](*weights, (), placed, self._key)
    return _counting(batch, jax.device_get(out))

  def _measure(
    self, name: str, data: Eval, weights: Any, stop: Callable[[], bool]
  ) -> dict[str, float]:
    """Runs one data set through its compiled step."""
    step, states = self._compiled(name, data)
    total = _Total()
    examples = self._loader(data).epoch()
    with Prefetch(self._execution.put, examples) as batches:
      results = (step(*weights, states, b, self._key) for b in batches)
      for result in _one_behind(results):
        total.add(*jax.device_get(result))
        if stop():
          raise EvaluationStopped(name)
    if total.empty:
      raise UserError(_no_examples(name))
    return self._results(data.metrics, total)

  def _loader(self, data: Eval) -> Batches:
    """This process's batches of a data set, of a size that devices divide."""
    loader = data.data.rounded(self._execution.devices)
    return loader.shard(*self._execution.share)

  def _compiled(self, name: str, data: Eval) -> tuple[Any, Any]:
    if name not in self._states:
      self._states[name] = self._execution.place(
        {key: metric.state for key, metric in data.metrics.items()}
      )
    return self._step(name, data), self._states[name]

  def _step(self, name: str, data: Eval) -> Any:
    if name not in self._steps:
      step = self._make_step(data)
      self._steps[name] = self._execution.eval_step(step)
    return self._steps[name]

  def _make_step(self, data: Eval) -> Callable[..., Any]:
    return make_eval_step(
      self._experiment.task,
      data.metrics,
      inputs=self._experiment.inputs,
      output=data.output,
      axis=self._execution.axis,
    )

  def _results(self, metrics: Mapping[str, Any], total: Any) -> dict:
    figures = total.losses(self._experiment.task.objectives)
    for name, metric in metrics.items():
      results = metric.result(total.sums[name], total.rows(name))
      if twice := figures.keys() & results.keys():
        raise UserError(
          f"metric {name!r}: the figures {sorted(twice)} have those names "
          "already; give the metric's results other names."
        )
      figures |= results
    return {key: float(value) for key, value in figures.items()}


def _one_behind(results: Iterator[Any]) -> Iterator[Any]:
  """Yields each result once the next is dispatched.

  While the host waits for one and adds it up, the devices have work.
  """
  before = next(results, None)
  for result in results:
    yield before
    before = result
  if before is not None:
    yield before


def _counting(batch: Any, out: Any) -> tuple[Any, Any]:
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


class _Total:
  """Sums in int64 and float64 on the host, and rows without repeats."""

  def __init__(self):
    self.empty = True
    self.sums: Any = None
    self._means: Any = None
    self._rows = collections.defaultdict(list)

  def add(self, sums: Any, rows: Any, means: Any) -> None:
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

  def losses(self, objectives: Any) -> dict[str, float]:
    """Returns each loss term; with one objective also their sum, `loss`."""
    terms = {
      name: float(m.total / m.count) if m.count else 0.0
      for name, m in self._means.items()
    }
    if len(objectives) == 1:
      weights = objectives[0].weights
      terms["loss"] = sum(w * terms[name] for name, w in weights.items())
    return terms


def _wide(x: np.ndarray) -> np.ndarray:
  x = np.asarray(x)
  integer = np.issubdtype(x.dtype, np.integer)
  return x.astype(np.int64 if integer else np.float64)
