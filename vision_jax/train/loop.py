"""The training loop: the one that every experiment runs through."""

import collections
import contextlib
import dataclasses
from collections.abc import Iterator, Mapping

import jax

from vision_jax.core.execution import Execution
from vision_jax.core.state import TrainState, joined
from vision_jax.core.types import Array
from vision_jax.errors import RunFailure
from vision_jax.experiment import Experiment
from vision_jax.provenance.machine import peak_bytes
from vision_jax.report.clock import Clock
from vision_jax.report.progress import Progress
from vision_jax.train.checkpoint.checkpoints import Checkpoints
from vision_jax.train.checkpoint.readback import read_back
from vision_jax.train.checkpoint.unsaved import Unsaved
from vision_jax.train.evaluate import (
  ByKind,
  EvaluationStopped,
  Evaluator,
  Metrics,
)
from vision_jax.train.fixed import Fixed
from vision_jax.train.log.writer import Writer
from vision_jax.train.plan import Plan
from vision_jax.train.prefetch import Prefetch
from vision_jax.train.skipped import count_skipped
from vision_jax.train.stop import Never, Stop
from vision_jax.train.timing import Programs, guarded
from vision_jax.train.trace import Trace

IN_FLIGHT = 2  # steps that may be dispatched and not finished
# Of each such step its number, its logs and how long its batch was waited for.
InFlight = collections.deque[tuple[int, Mapping[str, Array], float]]


class NotFinite(RunFailure):
  """A loss or a gradient that is not a number, or infinite."""


@dataclasses.dataclass(frozen=True)
class Outcome:
  """How a run ended.

  Attributes:
    step: its last one.
    metrics: that step's metrics, by name.
    stopped_by: the signal that it stopped early for; None at its end.
    state: what was trained, where it is.
  """

  step: int
  metrics: Metrics
  stopped_by: str | None = None
  state: TrainState = dataclasses.field(repr=False, kw_only=True)


@dataclasses.dataclass
class Training:
  """One run of an experiment on an execution.

  Attributes:
    experiment: what to train.
    config: how long, how often.
    execution: where.
    checkpoints: where the state is saved, and found again.
    write: called with (step, metrics); its `images` with (step, images).
    progress: called with each finished step; pauses, and logs lines.
    stop: says after each step whether to save, and whether to leave.
    evaluator: measures a state.
    fixed: the nets that are given to every step.
    trace: which steps to trace; none where it is None.
  """

  experiment: Experiment
  config: Plan
  execution: Execution
  checkpoints: Checkpoints | Unsaved
  write: Writer
  progress: Progress
  stop: Stop | Never
  evaluator: Evaluator
  fixed: Fixed = dataclasses.field(default_factory=Fixed)
  trace: Trace | None = None

  def __post_init__(self):
    self._clock, self._first = Clock(), 0

  def run(
    self, state: TrainState, start: int, *, evaluate_first: bool = False
  ) -> Outcome:
    """Trains from `start` to `config.steps`; `state` is consumed.

    Args:
      state: the state at step `start`.
      start: steps that are done.
      evaluate_first: whether to do what the run before had to leave.

    Raises:
      NotFinite: naming the first bad step; checkpoints before it stay.
      ValueError: if the data or the devices do not fit.
    """
    metrics: Metrics = {}
    ended = start >= self.config.steps
    if evaluate_first:
      with self._off_the_clock("evaluating"):
        metrics = self._evaluate(start, state, {}, costly=ended)
    if ended:
      self.progress.log(f"Step {start}: nothing is left to train.")
      metrics = metrics or self.evaluator(self._weights(state))
      return Outcome(start, metrics, state=state)
    with self.trace or contextlib.nullcontext():
      return self._train(state, start)

  def _train(self, state: TrainState, start: int) -> Outcome:
    loader = self.experiment.train_data.shard(*self.execution.share)
    load = lambda step: self.execution.put(loader.batch(step))
    steps = range(start, self.config.steps)
    in_flight: InFlight = collections.deque()
    with Prefetch(load, iter(steps)) as batches:
      batch, programs = next(batches), self._programs(state, in_flight)
      programs.compile(state, batch, self.fixed.nets)
      batches.waited, self._clock, self._first = 0.0, Clock(), start + 1
      metrics: Metrics = {}
      with self.stop:  # from here on there is something to save
        for done in range(start + 1, self.config.steps + 1):
          if self.trace:
            self.trace.before(done)
          if done > self._first:
            batch = next(batches)
            programs.compile(state, batch, self.fixed.nets)
          with guarded():
            state, logs = programs(state, batch, self.fixed.nets)
          if done == self._first:
            self.execution.check_stats(state.stats)
          if self.trace:
            self.trace.after(done, logs)
          in_flight.append((done, logs, batches.waited))
          batches.waited = 0.0
          self._complete(in_flight, IN_FLIGHT)
          leaving = self.stop(done)
          due = self._due(done) or leaving
          if due or self.stop.save_due:
            self._complete(in_flight, 0)
            self._check_finite(int(jax.device_get(state.bad_step)))
          if due:
            metrics = self._report(done, state, logs, programs, leaving)
          elif self.stop.save_due:
            self._save(done, state, {})
          if self.stop.reason:
            break
        self.checkpoints.wait()
    return Outcome(done, metrics, self.stop.reason, state=state)

  def _programs(self, state: TrainState, in_flight: InFlight) -> Programs:
    """Returns the training step, compiled ahead of each first call."""
    step = self.experiment.train_step(
      accumulate=self.config.accumulate, norm_group=self.config.norm_group
    )
    step = self.execution.train_step(step, state)
    pause = lambda doing: self._off_the_clock(doing, in_flight)
    return Programs(step, self.execution.devices, pause)

  def _weights(self, state: TrainState) -> ByKind:
    """Returns what gives an evaluation all nets, "raw" or "ema"."""
    return lambda which: joined(state.weights(which), self.fixed.nets)

  def _complete(self, in_flight: InFlight | tuple[()], left: int) -> None:
    """Counts what is finished; waits until `left` steps are in flight."""
    ready = lambda: all(x.is_ready() for x in in_flight[0][1].values())
    while in_flight and (len(in_flight) > left or ready()):
      done, logs, waited = in_flight.popleft()
      jax.block_until_ready(logs)
      self._clock.lap(waited)
      self.progress(done)

  @contextlib.contextmanager
  def _off_the_clock(
    self, doing: str, in_flight: InFlight | tuple[()] = ()
  ) -> Iterator[None]:
    """For what is no training: an evaluation, images, a checkpoint."""
    self._complete(in_flight, 0)
    with self._clock.paused(), self.progress.paused(doing):
      yield

  def _due(self, done: int) -> bool:
    c = self.config
    cadences = (c.log_every, c.eval_every, c.save_every)
    first_or_last = done in (self._first, c.steps)
    return first_or_last or any(n and done % n == 0 for n in cadences)

  def _report(
    self,
    done: int,
    state: TrainState,
    logs: Mapping[str, Array],
    programs: Programs,
    leaving: bool,
  ) -> Metrics:
    """Logs, saves and evaluates, each where it is due; returns metrics.

    In this order: an error in an evaluation, or a signal, costs no training,
    and the run that resumes there evaluates.
    """
    c, last = self.config, done == self.config.steps
    evaluate = last or bool(c.eval_every and done % c.eval_every == 0)
    metrics = {f"train/{k}": float(x) for k, x in jax.device_get(logs).items()}
    window = None if last or leaving else c.log_every
    metrics |= self._clock.summary(c.batch_size, window)
    if done == self._first or last or leaving:
      metrics |= programs.metrics | {"memory/peak_bytes": peak_bytes()}
    if leaving and not evaluate:
      metrics |= count_skipped(self.experiment)
    self.write(done, metrics)
    regular = c.save_every and done % c.save_every == 0
    if evaluate or leaving or regular or self.stop.save_due:
      self._save(done, state, metrics)
    if evaluate and not leaving:
      with self._off_the_clock("evaluating"):
        metrics |= self._evaluate(done, state, metrics, costly=last)
    return metrics

  def _evaluate(
    self,
    step: int,
    state: TrainState,
    metrics: Mapping[str, float],
    *,
    costly: bool,
  ) -> Metrics:
    """Returns the metrics of a saved step; none where a signal comes first.

    The checkpoint has them before the metrics file, by which a run that
    resumes there sees that no evaluation is missing.
    """
    try:
      weights = self._weights(state)
      found = self.evaluator(weights, costly=costly, stop=self.stop)
    except EvaluationStopped:
      return {}
    found |= count_skipped(self.experiment)
    self.checkpoints.measure(step, {**metrics, **found})
    if found:
      self.write(step, found)
    if images := self.evaluator.images(weights):
      self.write.images(step, images)
    return found

  def _save(
    self, step: int, state: TrainState, metrics: Mapping[str, float]
  ) -> None:
    """Saves a step; the first one of a run is read back."""
    extra = {"batch_size": self.config.batch_size, "seed": self.config.seed}
    extra |= {"fixed": self.fixed.fingerprints} if self.fixed.nets[0] else {}
    self.execution.check_stats(state.stats)
    first = self.checkpoints.latest is None
    with self._off_the_clock("saving"):
      saved = self.checkpoints.save(step, state, metrics, extra)
      if first and saved:
        read_back(self.checkpoints, step, state)
    self.stop.saved()

  def _check_finite(self, bad: int) -> None:
    if bad < 0:
      return
    self.checkpoints.wait()
    last = self.checkpoints.latest
    kept = (
      f"checkpoint {last} is good" if last else "there is no checkpoint yet"
    )
    raise NotFinite(
      f"Step {bad + 1} gave a loss or gradient that is not finite; the state "
      f"before it was kept and {kept}. Lower the learning rate, clip the "
      "gradient, or look for bad values in the data.",
      look=f"--debug=step:{bad + 1}",
    )
