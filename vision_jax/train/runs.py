"""A run of an experiment, from its first check to its last checkpoint."""

import contextlib
import dataclasses
import functools
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import jax
from etils import epath

from vision_jax import paths
from vision_jax.core.execution import Execution, Jit
from vision_jax.core.state import joined
from vision_jax.core.types import HostBatch
from vision_jax.errors import UserError
from vision_jax.experiment import Experiment, check_split
from vision_jax.provenance import parts
from vision_jax.provenance.manifest import (
  append_run,
  describe_run,
  log_differences,
)
from vision_jax.report.advice import advice
from vision_jax.report.beginning import beginning
from vision_jax.report.progress import Progress
from vision_jax.train import initial
from vision_jax.train.checkpoint.checkpoints import Checkpoints
from vision_jax.train.checkpoint.unsaved import Unsaved
from vision_jax.train.checkpoint.weights import has_steps
from vision_jax.train.evaluate import Evaluator
from vision_jax.train.fixed import Fixed
from vision_jax.train.log.writer import Writer, open_writer
from vision_jax.train.loop import Outcome, Training
from vision_jax.train.plan import Plan
from vision_jax.train.skipped import skipped_names
from vision_jax.train.stop import Never, Stop
from vision_jax.train.trace import Trace
from vision_jax.train.workdir import claim
from vision_jax.weights import InitFrom

NAMED = 3  # skipped images that are named


class Kept(Protocol):
  """The config file that an experiment comes from, which a workdir keeps."""

  values: Mapping[str, Any]
  smaller: str  # see report.advice
  sources: Mapping[str, str]  # hashes, of it and of our files that it imports

  def keep(
    self,
    workdir: epath.Path,
    batch: HostBatch,
    *,
    start: int,
    log: Callable[[str], None],
  ) -> None:
    """Writes what the workdir is to be used with, and logs what is new."""


@dataclasses.dataclass(frozen=True)
class _Place:
  """Where a run leaves what it does: a workdir, or nowhere.

  Attributes:
    workdir: the folder; None keeps nothing.
    recipe: the config file that is kept there, if there is one.
    wandb: project of Weights & Biases to log to.
    strict: whether a run does not go on with other code or data.
  """

  workdir: epath.Path | None
  recipe: Kept | None
  wandb: str | None
  strict: bool

  @contextlib.contextmanager
  def checkpoints(
    self, best: tuple[str, str] | None, plan: Plan
  ) -> Iterator[Checkpoints | Unsaved]:
    """Claims the workdir and opens its checkpoints."""
    if self.workdir is None:
      yield Unsaved()
      return
    alone = claim(self.workdir) if _first() else contextlib.nullcontext()
    with (
      alone,
      Checkpoints(
        self.workdir / "checkpoints",
        best=best,
        keep_best=plan.keep_best,
        keep_every=plan.keep_every or None,
      ) as checkpoints,
    ):
      yield checkpoints

  def record(
    self,
    experiment: Experiment,
    batch: HostBatch,
    shown: Progress,
    fixed: Fixed,
  ) -> None:
    """Writes what the run is made of; logs what is not as it was before."""
    if self.workdir is None or not _first():
      return
    made_of = parts.describe(
      {name: e.data for name, e in experiment.evals.items()},
      self.recipe.sources if self.recipe else {},
      experiment.train_data,
      batch,
    )
    made_of = dataclasses.replace(made_of, fixed=fixed.fingerprints)
    if shown.step:
      log_differences(self.workdir, made_of, shown.log, strict=self.strict)
    if self.recipe is not None:
      self.recipe.keep(self.workdir, batch, start=shown.step, log=shown.log)
    append_run(self.workdir, describe_run(made_of, shown.step))

  def writer(self, plan: Plan, shown: Progress) -> Writer:
    """Opens the logs, after cutting them back to where the run begins."""
    if self.workdir is None:
      return Writer([shown])
    kept = self.recipe.values if self.recipe else dataclasses.asdict(plan)
    return open_writer(
      self.workdir,
      start=shown.step,
      process_index=jax.process_index(),
      wandb=self.wandb,
      config=kept,
      sinks=[shown],
    )


def run(
  experiment: Experiment,
  workdir: epath.PathLike | None = None,
  *,
  steps: int,
  batch_size: int,
  seed: int = 0,
  log_every: int = 50,
  execution: Execution | None = None,
  recipe: Kept | None = None,
  init_from: InitFrom | None = None,
  profile: tuple[int, int] | None = None,
  wandb: str | None = None,
  strict: bool = False,
  quiet: bool = False,
  **plan: int,
) -> Outcome:
  """Trains an experiment; what the command calls, and what a notebook calls.

  Called again on the same workdir it goes on where the run stopped. Nothing is
  written before the data have given a batch.

  Args:
    experiment: what to train.
    workdir: folder of the run: checkpoints, metrics, manifest. None keeps
      nothing but the outcome.
    steps: length of the whole run.
    batch_size: batch size of its `train_data`, over all processes.
    seed: seed of the initial weights and the keys of the steps.
    log_every: steps from one line of the logs to the next.
    execution: where; all devices, data parallel, where it is None.
    recipe: the config file that the experiment comes from; with it the command
      can evaluate, predict and sample from the workdir.
    init_from: workdir, checkpoint or .safetensors file whose weights a new run
      begins with, all of them but for heads with other classes; or part of a
      net -> such a place, which goes before the experiment's `start`.
    profile: first and last step to trace into the workdir.
    wandb: project of Weights & Biases to log to.
    strict: refuse to go on with other code or data than the run had.
    quiet: show no progress.
    **plan: the other numbers of a `Plan`: accumulate, norm_group, eval_every,
      save_every, keep_best and keep_every.

  Raises:
    UserError: if the data, the batch size, the task, the devices and the
      workdir do not fit each other.
    NotFinite: naming the first bad step.
  """
  plan = Plan(steps, batch_size, seed, log_every=log_every, **plan)
  execution = (execution or Jit()).of(experiment.task)
  folder = None if workdir is None else paths.folder("workdir", workdir)
  place = _Place(folder, recipe, wandb, strict)
  plan.check(execution)
  check_split(experiment.task, execution.shards, plan.accumulate)
  with experiment:
    batch = _first_batch(experiment, execution, batch_size)
    fixed = Fixed.load(experiment, execution, batch)
    evaluator = _evaluator(experiment, execution, batch, plan.seed, fixed)
    trace = _trace(profile, folder)
    make = initial.state_maker(experiment, batch, plan.seed)
    new = functools.partial(initial.begin_anew, experiment, execution, make)
    log = (lambda line: None) if quiet else _log
    anew = functools.cache(lambda: new(init_from, log=log))
    if folder is None or not has_steps(folder / "checkpoints"):
      anew()  # so early that bad weights leave nothing behind
    with place.checkpoints(experiment.best, plan) as checkpoints:
      state, start = initial.begin(
        *(execution, checkpoints, batch, make, anew),
        seed=plan.seed,
        fixed=fixed,
      )
      values = recipe.values if recipe else {}
      shown = Progress(
        *(steps, batch_size),
        start=start,
        quiet=quiet or not _first(),
        best=experiment.best[0] if experiment.best else None,
        advise=lambda seconds: advice(seconds, steps - shown.step, recipe),
      )
      for line in beginning(
        experiment, state.params, values, execution.devices
      ):
        shown.log(line)
      place.record(experiment, batch, shown, fixed)
      missing = initial.evaluation_missing(folder, experiment, plan, start)
      if start:
        shown.log(f"Resuming at step {start} of {steps}.")
      with place.writer(plan, shown) as write:
        outcome = Training(
          experiment=experiment,
          config=plan,
          execution=execution,
          checkpoints=checkpoints,
          write=write,
          progress=shown,
          stop=Never() if workdir is None else Stop(),
          trace=trace,
          evaluator=evaluator,
          fixed=fixed,
        ).run(state, start, evaluate_first=missing)
  _log_skipped(experiment)
  return outcome


def _first() -> bool:
  """Whether this process is the one that writes and logs."""
  return jax.process_index() == 0


def _first_batch(
  experiment: Experiment, execution: Execution, size: int
) -> HostBatch:
  """Reads and places a batch before anything is written: errors come here."""
  index, count = execution.share
  batch = experiment.train_data.shard(index, count).batch(0)
  execution.put(batch)
  if (got := len(batch["mask"]) * count) != size:
    raise UserError(
      f"batch_size: got {size}, and train_data gives batches of {got}; "
      "expected the same. Give both the same number."
    )
  jax.eval_shape(experiment.inputs, batch)
  return batch


def _evaluator(
  experiment: Experiment,
  execution: Execution,
  batch: HostBatch,
  seed: int,
  fixed: Fixed,
) -> Evaluator:
  """Returns what evaluates, once a batch of each data set has been traced."""
  evaluator = Evaluator(experiment, execution)
  make = initial.state_maker(experiment, batch, seed)
  state = execution.abstract(make)
  evaluator.check(lambda kind: joined(state.weights(kind), fixed.nets))
  return evaluator


def _trace(
  profile: tuple[int, int] | None, workdir: epath.Path | None
) -> Trace | None:
  if profile is None:
    return None
  if workdir is None:
    raise UserError("profile: got no workdir to trace into; give one.")
  return Trace(*profile, workdir / "profile")


def _log_skipped(experiment: Experiment) -> None:
  """Logs how many images were left out, and names some."""
  if _first() and (names := skipped_names(experiment)):
    shown = ", ".join(names[:NAMED]) + ", ..." * (len(names) > NAMED)
    _log(f"Unreadable images, skipped: {len(names)} ({shown})")


def _log(line: str) -> None:
  if _first():
    print(line, file=sys.stderr, flush=True)
