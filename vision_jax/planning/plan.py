"""What a config needs of so many devices: counted and compiled, not run."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
from ml_collections import ConfigDict

from vision_jax.core.execution import Execution
from vision_jax.experiment import Experiment
from vision_jax.layers.remat import MODES
from vision_jax.models import count
from vision_jax.planning import made_up, program
from vision_jax.planning.as_gpu import as_gpu
from vision_jax.planning.collectives import Collective, collectives
from vision_jax.planning.liveness import peak_bytes, size_of
from vision_jax.recipe import recipe

DRAWN = 2  # examples (of a class) of the batch from which shapes follow


@dataclasses.dataclass(frozen=True)
class Plan:
  """What a training step needs.

  Attributes:
    batch_size: examples of all devices together.
    devices: how many there are.
    parts: into how many of them a batch is split.
    parameters: of the nets that are trained.
    state_bytes: weights, optimizer and averages, once.
    own_bytes: what a device holds of those.
    flops: operations of a step, two a multiply-add.
    peaks: mode of `remat` -> bytes that a device needs at once, traced as for
      a GPU; "" where the config has none.
    compiled_bytes: the same as XLA plans it for the devices compiled for, with
      what a CPU's convolutions pack.
    collectives: what the devices send each other in a step.
  """

  batch_size: int
  devices: int
  parts: int
  parameters: int
  state_bytes: int
  own_bytes: int
  flops: int
  peaks: Mapping[str, int]
  compiled_bytes: int | None
  collectives: list[Collective]


def built(
  name: str, overrides: Mapping[str, str]
) -> tuple[Experiment, ConfigDict]:
  """Returns a config's experiment and its values; asks no data.

  Raises:
    UserError: if there is no such config, or it has no such value.
  """
  loaded = recipe.load(name, overrides, resolve=False)
  made_up.stand_in(loaded.config)
  return loaded.build(), loaded.config


def batch_of(
  name: str, overrides: Mapping[str, str], size: int
) -> dict[str, jax.ShapeDtypeStruct]:
  """Returns a training batch of `size` examples, as shapes."""
  _, config = built(name, overrides)
  number = DRAWN * config.get("batch_classes", 1)
  small = {**overrides, "batch_size": str(number)}
  drawn = made_up.batch(*built(name, small))
  return {
    key: jax.ShapeDtypeStruct((size, *x.shape[1:]), x.dtype)
    for key, x in drawn.items()
  }


def plan(name: str, overrides: Mapping[str, str], execution: Execution) -> Plan:
  """Returns what a step of "PATH" or "PATH:VARIANT" needs.

  Args:
    name: a config's name.
    overrides: values to change, as text.
    execution: over devices, as many as are planned for.

  Raises:
    UserError: if there is no such config, it has no such value, or its batch
      does not divide by the devices.
  """
  experiment, config = built(name, overrides)
  batch = batch_of(name, overrides, config.batch_size)
  execution = execution.of(experiment.task)
  own = program.split(batch, execution.divisor)
  state, fixed = program.shapes_of(experiment, execution, batch)
  step = _step(experiment, config)
  compiled = program.compiled(step, execution, state, batch, fixed)
  state_bytes = _size(state)
  saved = state_bytes - program.share_of(state, size_of)
  return Plan(
    batch_size=config.batch_size,
    devices=execution.devices,
    parts=execution.divisor,
    parameters=sum(x.size for x in jax.tree.leaves(state.params)),
    state_bytes=state_bytes,
    own_bytes=state_bytes - saved,
    flops=count.flops(step, state, batch, fixed),
    peaks={
      mode: peak - saved
      for mode, peak in _peaks(name, overrides, state, own, fixed).items()
    },
    compiled_bytes=program.taken_by(compiled),
    collectives=collectives(compiled.as_text(), execution.devices),
  )


def largest_batch(found: Plan, peak: int, room: float) -> int:
  """Returns the examples that fit a device, if activations grow with them.

  Args:
    found: the plan.
    peak: what a device needs at the plan's batch.
    room: bytes that a device has.
  """
  gradients = 4 * found.parameters
  kept = min(found.own_bytes + gradients, peak)
  each = max(peak - kept, 1) / (found.batch_size / found.parts)
  return max(int((room - kept) / each), 0)


def _peaks(
  name: str, overrides: Mapping[str, str], state: Any, own: Any, fixed: Any
) -> dict[str, int]:
  """Bytes of each mode of `remat`, of one device with all of the state."""
  _, config = built(name, overrides)
  if "remat" not in config:
    return {"": _peak(*built(name, overrides), state, own, fixed)}
  first = [config.remat, *(mode for mode in MODES if mode != config.remat)]
  return {
    mode: _peak(*built(name, {**overrides, "remat": mode}), state, own, fixed)
    for mode in first
  }


def _peak(experiment, config, state, batch, fixed) -> int:
  with as_gpu():
    closed = jax.make_jaxpr(_step(experiment, config))(state, batch, fixed)
  return peak_bytes(closed, donated=len(jax.tree.leaves(state)))


def _step(experiment, config):
  return experiment.train_step(
    accumulate=config.accumulate, norm_group=config.norm_group
  )


def _size(tree: Any) -> int:
  return sum(size_of(x) for x in jax.tree.leaves(tree))
