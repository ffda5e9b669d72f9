"""A step of a run, done again from the checkpoint before it, without jit."""

import functools
from collections.abc import Callable

import jax
from etils import epath

from vision_jax.core.execution import Execution
from vision_jax.core.state import TrainState
from vision_jax.core.step import Logs
from vision_jax.core.types import Batch
from vision_jax.debugging import blame
from vision_jax.errors import RunFailure, UserError
from vision_jax.experiment import Experiment, check_split
from vision_jax.train import initial
from vision_jax.train.checkpoint.checkpoints import Checkpoints
from vision_jax.train.fixed import Fixed
from vision_jax.train.plan import Plan
from vision_jax.weights import InitFrom


def look_into(
  step: int,
  experiment: Experiment,
  plan: Plan,
  workdir: epath.PathLike,
  execution: Execution,
  *,
  init_from: InitFrom | None,
  log: Callable[[str], None],
) -> None:
  """Goes back to a checkpoint, trains up to a step and takes that one apart.

  The steps before it are compiled, on the same batches, as the run had them.
  The workdir is only read.

  Raises:
    RunFailure: saying what in the step is not finite first, and where.
    UserError: if the run has no such step, or there are several processes; if
      it would not train like this, or with these fixed nets.
  """
  execution = execution.of(experiment.task)
  plan.check(execution)
  check_split(experiment.task, execution.shards, plan.accumulate)
  if step > plan.steps:
    raise UserError(f"--debug=step:{step}: the run has {plan.steps} steps.")
  if jax.process_count() > 1:
    raise UserError(
      "--debug=step:N runs in one process; leave out --coordinator, "
      "--num_processes and --process_id."
    )
  load = experiment.train_data.shard(0, 1).batch
  make = initial.state_maker(experiment, load(0), plan.seed)
  fixed = Fixed.load(experiment, execution, load(0))
  like = execution.abstract(make)
  state = _saved_before(step, workdir, experiment, like, fixed)
  if state is None:
    state = initial.begin_anew(experiment, execution, make, init_from)
  if (start := int(state.step)) >= step:
    raise UserError(
      f"--debug=step:{step}: the earliest checkpoint in {workdir} is of step "
      f"{start}; expected a later step."
    )
  log(f"From step {start} on, compiled up to step {step}.")
  one = experiment.train_step(
    accumulate=plan.accumulate, norm_group=plan.norm_group
  )
  train = execution.train_step(one, state)
  for number in range(start, step - 1):
    state, _ = train(state, execution.put(load(number)), fixed.nets)
  if (bad := int(state.bad_step)) >= 0:  # sooner than the first time
    step = bad + 1
  here = jax.local_devices()[0]
  state = state.replace(bad_step=state.bad_step * 0 - 1)
  nets, state = jax.device_put((fixed.nets, state), here)
  one = functools.partial(one, fixed=nets)
  _take_apart(step, one, state, jax.device_put(dict(load(step - 1)), here), log)


def _saved_before(
  step: int,
  workdir: epath.PathLike,
  experiment: Experiment,
  like: TrainState,
  fixed: Fixed,
) -> TrainState | None:
  """Reads the newest checkpoint before a step, or the first there is."""
  folder = epath.Path(workdir) / "checkpoints"
  if not folder.exists():
    return None
  with Checkpoints(folder, best=experiment.best, read_only=True) as checkpoints:
    if not (steps := checkpoints.steps):
      return None
    which = max((n for n in steps if n < step), default=steps[0])
    state, extra = checkpoints.restore(like, which)
  fixed.check(extra.get("fixed", {}))
  return state


def _take_apart(
  step: int,
  function: Callable[[TrainState, Batch], tuple[TrainState, Logs]],
  state: TrainState,
  batch: Batch,
  log: Callable[[str], None],
) -> None:
  """Does one step without jit; raises what it finds."""
  logs = lambda state, batch: function(state, batch)[1]
  origins = blame.find_origins(logs, state=state, batch=batch)
  if not origins:
    log(f"Step {step} without jit: every value is finite.")
    return
  first = min(origins, key=lambda name: not name.startswith("loss"))
  raise RunFailure(
    f"Step {step} without jit: {', '.join(origins)} not finite. In {first}\n"
    f"{origins[first]}"
  )
