"""The state that a run begins with, and the shapes of one to be read."""

import dataclasses
from collections.abc import Callable, Collection, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
from etils import epath

from vision_jax.core.execution import Execution
from vision_jax.core.seeds import make_key
from vision_jax.core.state import Following, TrainState
from vision_jax.core.types import HostBatch, Task
from vision_jax.errors import UserError
from vision_jax.experiment import Experiment
from vision_jax.train.checkpoint.checkpoints import Checkpoints
from vision_jax.train.checkpoint.parts import restore_part
from vision_jax.train.checkpoint.unsaved import Unsaved
from vision_jax.train.fixed import Fixed
from vision_jax.train.log.metrics_file import MetricsFile
from vision_jax.train.plan import Plan
from vision_jax.weights import InitFrom, Weights

Log = Callable[[str], None]


def state_maker(
  experiment: Experiment, batch: Mapping[str, Any], seed: int
) -> Callable[[], TrainState]:
  """Returns what initialises a state; `batch` gives shapes."""
  return lambda: experiment.initial_state(make_key(seed), batch)


def begin(
  execution: Execution,
  checkpoints: Checkpoints | Unsaved,
  batch: HostBatch,
  make: Callable[[], TrainState],
  anew: Callable[[], TrainState],
  *,
  seed: int,
  fixed: Fixed,
) -> tuple[TrainState, int]:
  """Returns the state to train from and its step.

  That of the newest readable checkpoint, with the shapes of `make`; without one
  what `anew` gives.

  Raises:
    UserError: if the run in the workdir had other fixed nets.
  """
  if checkpoints.latest is None:
    return anew(), 0
  state, extra = checkpoints.restore(execution.abstract(make))
  _check_same_draws(extra, seed, len(batch["mask"]) * execution.share[1])
  fixed.check(extra.get("fixed", {}))
  return state, int(state.step)


def begin_anew(
  experiment: Experiment,
  execution: Execution,
  make: Callable[[], TrainState],
  init_from: InitFrom | None,
  *,
  log: Log = lambda line: None,
) -> TrainState:
  """Returns the state that `make` initialises, with the weights to begin with.

  Raises:
    UserError: without any, if the task has frozen norms.
  """
  start = experiment.starts(init_from)
  check_trainable(experiment.task, {*start, *experiment.fixed})
  state = execution.init(make)
  if not start:
    return state
  return with_weights(state, start, experiment.following, log=log)


def _check_same_draws(extra: Mapping[str, Any], seed: int, size: int) -> None:
  """Refuses to go on with other batches than the run began with."""
  for name, now in (("seed", seed), ("batch_size", size)):
    if (old := extra.get(name, now)) != now:
      raise UserError(
        f"{name}: got {now}, but the run in this workdir began with {old}; "
        "expected the same. Use another workdir for another run."
      )


def check_trainable(task: Task, weighed: Collection[str] = ()) -> None:
  """Refuses to train a net with frozen norms from a random start.

  Frozen norms keep the scales and moments of weights that were trained, and
  without these do not normalise: a branch whose scale is 0 has no gradient.

  Args:
    task: the task, whose fields are called as its nets.
    weighed: parts of nets that are given weights; "" is all of them.

  Raises:
    UserError: if a module in no such part has `frozen_norm` set.
  """
  has = lambda path: any(f"{path}/".startswith(x and f"{x}/") for x in weighed)
  for path, owner in _frozen(task):
    if not has(path):
      raise UserError(
        f"{owner} ({path}): it has frozen norms (frozen_norm=True), which keep "
        "the scales and moments of trained weights, and there are no weights "
        f"to begin with. Give them with --init_from={path}=PATH, or train the "
        "norms with frozen_norm=False."
      )


def _frozen(value: object, path: str = "") -> Iterator[tuple[str, str]]:
  """Yields the path and the class of each module with frozen norms."""
  if not dataclasses.is_dataclass(value):
    return
  if getattr(value, "frozen_norm", False):
    yield path, type(value).__name__
  for f in dataclasses.fields(value):
    if f.name != "parent":  # the module that it is in
      inner = f"{path}/{f.name}".lstrip("/")
      yield from _frozen(getattr(value, f.name, None), inner)


def evaluation_missing(
  workdir: epath.PathLike | None,
  experiment: Experiment,
  config: Plan,
  start: int,
) -> bool:
  """Whether the run before ended at an evaluation that it did not do.

  A run that has to stop saves at once, and leaves an evaluation that is
  due at that step to the run that resumes there.

  Args:
    workdir: the run's folder; None where nothing is kept.
    experiment: its evals name the metrics.
    config: steps and eval_every.
    start: the step that the run resumes from.
  """
  every = config.eval_every
  due = start >= config.steps or bool(every and start % every == 0)
  if not start or not due or not experiment.evals:
    return False
  lines = [x for x in MetricsFile(workdir).read() if x["step"] == start]
  prefixes = tuple(f"{name}/" for name in experiment.evals)
  return not any(key.startswith(prefixes) for line in lines for key in line)


def with_weights(
  state: TrainState,
  start: Mapping[str, Weights],
  following: Mapping[str, Following] = MappingProxyType({}),
  *,
  log: Log = lambda line: None,
) -> TrainState:
  """Returns a state with the weights of other runs, checkpoints or files.

  Optimizers and the step stay as they are.

  Args:
    state: a new one.
    start: part of a net -> what it begins with; "" is all nets, but for heads
      with other classes.
    following: name -> what follows which net, and begins as a copy.
    log: prints what has which weights, and what is new.

  Raises:
    ValueError: if there are no such weights, or of other shapes.
  """
  nets = state.params, state.stats
  for part, place in sorted(start.items()):  # a net before its modules
    nets, line = restore_part(place, part, nets)
    log(line)
  source = {name: rule.net for name, rule in following.items()}
  copy = lambda old, new: {
    name: jax.tree.map(jnp.copy, new[source.get(name, name)]) for name in old
  }
  params, stats = nets
  ema = state.ema.replace(
    params=copy(state.ema.params, params), stats=copy(state.ema.stats, stats)
  )
  return state.replace(params=params, stats=stats, ema=ema)
