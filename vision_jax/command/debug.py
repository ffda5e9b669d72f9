"""Runs that fail: what jax says of them, its switches, a step taken apart."""

import contextlib
import dataclasses
import re
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import jax
from etils import epath

from vision_jax.core.execution import Execution
from vision_jax.core.state import TrainState
from vision_jax.errors import RunFailure, UserError
from vision_jax.recipe.recipe import Recipe
from vision_jax.train import blame, initial
from vision_jax.train.checkpoint.checkpoints import Checkpoints


@dataclasses.dataclass(frozen=True)
class Debug:
  """What --debug asks for.

  Attributes:
    nojit: do every operation by itself.
    nans: stop at the operation that gives NaN.
    step: the step to look into, counted from 1; None for none.
  """

  nojit: bool = False
  nans: bool = False
  step: int | None = None


def parse(text: str) -> Debug:
  """Reads "nojit,nans" or "step:N".

  Raises:
    UserError: if it is something else.
  """
  given = {}
  for word in filter(None, text.split(",")):
    name, _, number = word.partition(":")
    if word in ("nojit", "nans"):
      given[word] = True
    elif name == "step" and number.isdigit() and int(number):
      given["step"] = int(number)
    else:
      raise UserError(
        f"--debug: got {word!r}; expected nojit, nans or step:N with a step "
        "from 1 on, separated by commas."
      )
  return Debug(**given)


def switch(debug: Debug, execution: str) -> None:
  """Turns on what lasts for the whole process.

  Raises:
    UserError: where jax cannot do without jit.
  """
  if debug.nojit:
    jax.config.update("jax_disable_jit", True)
  if jax.config.jax_disable_jit and execution == "pmap":
    raise UserError(
      "--debug=nojit (or JAX_DISABLE_JIT): jax maps over devices in compiled "
      "programs only; got --execution=pmap, expected jit, which computes the "
      "same numbers."
    )
  if debug.nans:
    jax.config.update("jax_debug_nans", True)


@contextlib.contextmanager
def failures(config: Any) -> Iterator[None]:
  """Tells of a run what jax says of one operation.

  Raises:
    RunFailure: if it is not finite (under jax's switch), or does not fit the
      devices, with what can be done about it.
  """
  try:
    yield
  except FloatingPointError as error:
    if not (found := _explain(error)):
      raise
    raise RunFailure(f"Not finite: {found}") from error
  except jax.errors.JaxRuntimeError as error:
    if not str(error).startswith("RESOURCE_EXHAUSTED"):
      raise
    remat = config.get("remat")
    raise RunFailure(
      f"Out of device memory, with batch_size {config.batch_size}, accumulate "
      f"{config.accumulate} and "
      + ("no remat" if remat is None else f"remat {remat}")
      + ". Use a smaller --config.batch_size, or split each batch by "
      f"--config.accumulate={2 * config.accumulate}"
      + (", or --config.remat=blocks" if remat == "none" else "")
      + f", or more devices. ({str(error).splitlines()[0]:.200})"
    ) from error


def look_into(
  step: int,
  recipe: Recipe,
  workdir: epath.PathLike,
  execution: Execution,
  *,
  init_from: str | None,
  say: Callable[[str], None],
) -> None:
  """Goes back to a checkpoint, trains up to a step and takes that one apart.

  The steps before it are compiled, on the same batches, as the run had them.
  The workdir is only read.

  Raises:
    RunFailure: saying what in the step is not finite first, and where.
    UserError: if the run has no such step, or there are several processes.
  """
  config = recipe.config
  if step > config.steps:
    raise UserError(f"--debug=step:{step}: the run has {config.steps} steps.")
  if jax.process_count() > 1:
    raise UserError(
      "--debug=step:N runs in one process; leave out --coordinator, "
      "--num_processes and --process_id."
    )
  with recipe.build() as experiment:
    load = experiment.train_data.shard(0, 1).batch
    state, start = _begin(
      *(experiment, execution, load(0), config.seed),
      *(epath.Path(workdir) / "checkpoints", step, init_from),
    )
    if start >= step:
      raise UserError(
        f"--debug=step:{step}: the earliest checkpoint in {workdir} is of step "
        f"{start}; expected a later step."
      )
    say(f"From step {start} on, compiled up to step {step}.")
    one = experiment.train_step(
      accumulate=config.accumulate, norm_group=config.norm_group
    )
    train = execution.train_step(one, state)
    for number in range(start, step - 1):
      state, _ = train(state, execution.put(load(number)))
    if (bad := int(state.bad_step)) >= 0:  # sooner than the first time
      step = bad + 1
    here = jax.local_devices()[0]
    state = jax.device_put(state.replace(bad_step=state.bad_step * 0 - 1), here)
    batch = jax.device_put(dict(load(step - 1)), here)
    _take_apart(step, one, state, batch, say)


def _begin(
  experiment, execution, batch, seed, folder, wanted, init_from
) -> tuple[TrainState, int]:
  """Returns the state of the newest checkpoint before the step, and its step.

  Without one a new state, as training begins.
  """
  make = initial.state_maker(experiment, batch, seed)
  if folder.exists():
    with Checkpoints(
      folder, best=experiment.best, read_only=True
    ) as checkpoints:
      before = [n for n in checkpoints.steps if n < wanted]
      if before or checkpoints.steps:
        which = max(before, default=checkpoints.steps[0])
        target = execution.abstract(make)
        state, _ = checkpoints.restore(target, which)
        return state, int(state.step)
  state = execution.init(make)
  if init_from:
    state = initial.with_weights(state, init_from)
  return state, 0


def _take_apart(step, function, state, batch, say) -> None:
  """Does one step without jit; raises what it finds."""
  logs = lambda state, batch: function(state, batch)[1]
  origins = blame.find_origins(logs, state=state, batch=batch)
  if not origins:
    say(f"Step {step} without jit: every figure is finite.")
    return
  first = min(origins, key=lambda name: not name.startswith("loss"))
  raise RunFailure(
    f"Step {step} without jit: {', '.join(origins)} not finite. In {first}\n"
    f"{origins[first]}"
  )


def _explain(error: FloatingPointError) -> str | None:
  """Says which operation of ours gave NaN; None if jax has not found it."""
  found = re.search(r"\((\w+)\) encountered in ([\w\-]+)", str(error))
  if not found:
    return None
  frames = traceback.extract_tb(error.__traceback__)
  where = blame.place((f.filename, f.lineno, f.name) for f in frames[::-1])
  return f"{found[1]} comes out of `{found[2]}`\n  at {where}"
