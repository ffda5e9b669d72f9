"""The state that a run begins with, and the shapes of one to be read."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from etils import epath

from vision_jax.core.execution import Execution
from vision_jax.core.seeds import make_key
from vision_jax.core.state import TrainState
from vision_jax.core.types import HostBatch, Task
from vision_jax.errors import UserError
from vision_jax.experiment import Experiment
from vision_jax.train.checkpoint.checkpoints import Checkpoints
from vision_jax.train.checkpoint.unsaved import Unsaved
from vision_jax.train.checkpoint.weights import restore_weights
from vision_jax.train.log.metrics_file import MetricsFile
from vision_jax.train.plan import Plan


def state_maker(
  experiment: Experiment, batch: Mapping[str, Any], seed: int
) -> Callable[[], TrainState]:
  """Returns what initialises a state; `batch` gives shapes."""
  return lambda: experiment.initial_state(make_key(seed), batch)


def begin(
  experiment: Experiment,
  execution: Execution,
  checkpoints: Checkpoints | Unsaved,
  batch: HostBatch,
  *,
  seed: int,
  init_from: epath.PathLike | None = None,
) -> tuple[TrainState, int]:
  """Returns the state to train from and its step.

  That of the newest readable checkpoint; without one a new state, with the
  weights of `init_from` if it is given.

  Raises:
    UserError: without either, if the task has frozen norms.
  """
  make = state_maker(experiment, batch, seed)
  if checkpoints.latest is None:
    if not init_from:
      check_trainable(experiment.task)
    state = execution.init(make)
    return (with_weights(state, init_from) if init_from else state), 0
  state, extra = checkpoints.restore(execution.abstract(make))
  _check_same_draws(extra, seed, len(batch["mask"]) * execution.share[1])
  return state, int(state.step)


def _check_same_draws(extra: Mapping[str, Any], seed: int, size: int) -> None:
  """Refuses to go on with other batches than the run began with."""
  for name, now in (("seed", seed), ("batch_size", size)):
    if (old := extra.get(name, now)) != now:
      raise UserError(
        f"{name}: got {now}, but the run in this workdir began with {old}; "
        "expected the same. Use another workdir for another run."
      )


def check_trainable(task: Task) -> None:
  """Refuses to train a net with frozen norms from a random start.

  Frozen norms keep the scales and moments of weights that were trained, and
  without these do not normalise: a branch whose scale is 0 has no gradient.

  Raises:
    UserError: if a module of the task has `frozen_norm` set.
  """
  if owner := _find_frozen(task):
    raise UserError(
      f"{owner}: it has frozen norms (frozen_norm=True), which keep the scales "
      "and moments of trained weights, and there are no weights to begin with. "
      "Give them with --init_from, or train the norms with frozen_norm=False."
    )


def _find_frozen(value: object) -> str | None:
  """Returns the class of the first module with frozen norms, or None."""
  if not dataclasses.is_dataclass(value):
    return None
  if getattr(value, "frozen_norm", False):
    return type(value).__name__
  # A module knows the one that it is in as its `parent`.
  names = [f.name for f in dataclasses.fields(value) if f.name != "parent"]
  inner = (getattr(value, name, None) for name in names)
  return next(filter(None, map(_find_frozen, inner)), None)


def evaluation_missing(
  workdir: epath.PathLike | None,
  experiment: Experiment,
  config: Plan,
  start: int,
) -> bool:
  """Whether the run before ended at an evaluation that it did not do.

  A run that is told to stop saves at once, and leaves an evaluation that is
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


def with_weights(state: TrainState, path: epath.PathLike) -> TrainState:
  """Returns a state with the weights of another run, checkpoint or file.

  Averaged weights begin as copies. Optimizers and the step stay as they are.

  Raises:
    ValueError: if there are no such weights, or of other shapes.
  """
  params, stats = restore_weights(path, (state.params, state.stats))
  copy = lambda tree, names: {
    name: jax.tree.map(jnp.copy, tree[name]) for name in names
  }
  ema = state.ema.replace(
    params=copy(params, state.ema.params), stats=copy(stats, state.ema.stats)
  )
  return state.replace(params=params, stats=stats, ema=ema)
