"""A config's whole training step: built without its data, compiled, timed.

The one place where speeds of steps are measured: `benchmarks.speed` and
`benchmarks.accelerator` both do it here. A time is the mean of a block of
steps, of which as many are in flight at once as in the loop.
"""

import dataclasses
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
from ml_collections import ConfigDict

from benchmarks.speed.timing import BLOCK, WARM, block
from vision_jax.core.execution import Jit
from vision_jax.experiment import Experiment
from vision_jax.forms.choice import use_forms
from vision_jax.models import count
from vision_jax.planning import made_up
from vision_jax.planning.devices import utilisation
from vision_jax.planning.plan import built as build
from vision_jax.planning.program import bytes_of
from vision_jax.provenance.machine import peak_bytes
from vision_jax.train.timing import Compilation


@dataclasses.dataclass(frozen=True)
class Program:
  """A step, and what it starts from.

  Attributes:
    fn: step(state, batch, *fixed) -> (state, out), not compiled.
    compilable: the same as `jax.jit` makes it; anew, so that nothing is cached.
    state: the state on the devices; the compiled step may consume it.
    batch: the batch on the devices.
    batch_size: examples in the batch.
    devices: how many devices share it.
    flops: operations of a step, as its model is published.
    fixed: what else a step is given: fixed nets, where there are any.
  """

  fn: Callable[..., Any]
  compilable: Callable[[], Any]
  state: Any
  batch: Any
  batch_size: int
  devices: int
  flops: int
  fixed: tuple[Any, ...] = ()


class Running:
  """A program, compiled, with the state that its steps hand on."""

  def __init__(self, program: Program):
    self.program = program
    self._batch, self._state = program.batch, program.state
    self._compiled = self._compile()

  @property
  def about(self) -> dict[str, Any]:
    """What compiling took, and what utilisation is computed from."""
    metrics = self._compiled.metrics
    return {
      "batch_size": self.program.batch_size,
      "compile_s": metrics["time/compile_s"],
      "compile_cached": bool(metrics["time/compile_cached"]),
      "flops_per_step": self.program.flops,
      "program_bytes": bytes_of(self._compiled.step),
      "device_kind": jax.devices()[0].device_kind,
      "devices": self.program.devices,
    }

  def blocks(self, steps: int) -> dict[str, list[float]]:
    """Runs so many steps.

    Returns:
      `seconds` of a step, one for each BLOCK (or what is left of one);
      `dispatch`, for how long of those the host was busy with it.
    """
    sizes = [min(BLOCK, steps - done) for done in range(0, steps, BLOCK)]
    found = [block(self._step, size) for size in sizes]
    return {
      "seconds": [x.seconds for x in found],
      "dispatch": [x.dispatch for x in found],
    }

  def lasting(self, seconds: float) -> dict[str, list[float]]:
    """As `blocks`, of as many steps as take so long, at least 2."""
    first = statistics.median(self.blocks(WARM)["seconds"])
    steps = max(2, round(seconds / max(first, 1e-6)))
    return self.blocks(steps if steps < BLOCK else BLOCK * round(steps / BLOCK))

  def _step(self) -> Any:
    given = (self._state, self._batch, *self.program.fixed)
    self._state, out = self._compiled.step(*given)
    return out

  def compile_again(self) -> float:
    """Returns the seconds it takes where jax's cache on disk has the step."""
    jax.clear_caches()
    return self._compile().metrics["time/compile_s"]

  def _compile(self) -> Compilation:
    return Compilation(
      self.program.compilable(),
      self._state,
      self._batch,
      *self.program.fixed,
      devices=self.program.devices,
    )


def of_config(
  name: str,
  overrides: Mapping[str, str] | None = None,
  *,
  devices: Sequence[jax.Device] | None = None,
) -> Program:
  """Returns the training step of "PATH" or "PATH:VARIANT".

  Fixed nets have the weights that they would begin with: what is timed does not
  depend on them, and their files need not be here.

  Args:
    name: a config's name.
    overrides: values to change, as text; `remat` does not change what counts as
      the model's FLOPs.
    devices: devices to run on, all by default.

  Raises:
    UserError: if there is no such config, or it has no such value.
  """
  overrides = dict(overrides or {})
  experiment, config = build(name, overrides)
  execution = Jit(devices=devices)
  batch = execution.put(made_up.batch(experiment, config))
  make = lambda: experiment.initial_state(jax.random.key(config.seed), batch)
  state, fixed = execution.init(make), ()
  if experiment.fixed:
    nets = lambda: experiment.initial_fixed(jax.random.key(0), batch)
    fixed = (execution.init(nets),)
  fn = step_of(experiment, config)
  flops = count.flops(fn, state, batch, *fixed)
  if overrides.pop("remat", None):  # what is computed twice counts once
    plain = step_of(*build(name, overrides))
    flops = count.flops(plain, state, batch, *fixed)
  return Program(
    fn,
    lambda: execution.train_step(step_of(experiment, config), state),
    state,
    batch,
    config.batch_size,
    execution.devices,
    flops,
    fixed,
  )


def step_of(experiment: Experiment, config: ConfigDict) -> Callable[..., Any]:
  """Returns the experiment's step as a run makes it, not compiled."""
  return experiment.train_step(
    accumulate=config.accumulate, norm_group=config.norm_group
  )


def timed_row(
  name: str,
  overrides: Mapping[str, str] | None = None,
  *,
  forms: Mapping[str, str] | None = None,
  seconds: float = 4.0,
  devices: Sequence[jax.Device] | None = None,
) -> dict[str, Any]:
  """Returns the whole row of a config's step, for a process of its own.

  Args:
    name: a config's name.
    overrides: values to change.
    forms: forms of operations, see `vision_jax.forms.choice`.
    seconds: how long to time, at least one block.
    devices: devices to run on, all by default.
  """
  with use_forms(**(forms or {})):
    running = Running(of_config(name, overrides, devices=devices))
    found = running.lasting(seconds)
    peak = peak_bytes()
    about = running.about
    again = running.compile_again()
  row = rates(found, about["batch_size"]) | about | {"peak_bytes": peak}
  return row | {"compile_again_s": again, "mfu": mfu(row)}


def rates(
  found: Mapping[str, Sequence[float]], batch_size: int
) -> dict[str, float]:
  """Returns images/s, a step's milliseconds and those of its dispatch."""
  ordered = sorted(found["seconds"])
  p95 = ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]
  p50 = statistics.median(ordered)
  return {
    "images_per_s": batch_size / p50,
    "step_p50_ms": 1e3 * p50,
    "step_p95_ms": 1e3 * p95,
    "dispatch_ms": 1e3 * statistics.median(found["dispatch"]),
  }


def mfu(row: Mapping[str, Any]) -> float | None:
  """Returns a row's share of the devices' peak; None where it is not known."""
  return utilisation(
    row["flops_per_step"],
    row["step_p50_ms"],
    row["device_kind"],
    row["devices"],
  )
