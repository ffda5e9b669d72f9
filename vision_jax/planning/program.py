"""A training step, compiled for devices as the run would, on shapes alone."""

from collections.abc import Callable, Mapping
from typing import Any

import jax

from vision_jax.core.execution import Execution
from vision_jax.core.step import TrainStep
from vision_jax.core.types import NO_NETS
from vision_jax.errors import UserError
from vision_jax.experiment import Experiment
from vision_jax.planning.packing import packed_bytes

Batch = Mapping[str, jax.ShapeDtypeStruct]


def shapes_of(
  experiment: Experiment, execution: Execution, batch: Batch
) -> tuple[Any, Any]:
  """Returns state and fixed nets as they would lie on the devices."""
  key = jax.random.key(0)
  state = execution.abstract(lambda: experiment.initial_state(key, batch))
  if not experiment.fixed:
    return state, NO_NETS
  make = lambda: experiment.initial_fixed(key, batch)
  return state, execution.abstract(make)


def compiled(
  step: TrainStep, execution: Execution, state: Any, batch: Batch, fixed: Any
) -> jax.stages.Compiled:
  """Compiles a step; nothing is allocated, and nothing runs."""
  placed = {name: _placed(x, execution) for name, x in batch.items()}
  return execution.train_step(step, state).lower(state, placed, fixed).compile()


def bytes_of(program: jax.stages.Compiled) -> int | None:
  """Returns what XLA plans for a device, arguments and results included."""
  found = program.memory_analysis()
  if found is None:
    return None
  moved = found.argument_size_in_bytes + found.output_size_in_bytes
  return int(moved + found.temp_size_in_bytes - found.alias_size_in_bytes)


def taken_by(program: jax.stages.Compiled) -> int | None:
  """Returns what a device is expected to need: XLA's plan, and on a CPU more.

  There convolutions pack what they multiply, see `packing`.
  """
  planned = bytes_of(program)
  if planned is None or jax.default_backend() != "cpu":
    return planned
  return planned + packed_bytes(program.as_text())


def share_of(state: Any, size_of: Callable[[Any], int]) -> int:
  """Returns the bytes of a state that one device holds."""
  total = 0
  for leaf in jax.tree.leaves(state):
    part = leaf.sharding.shard_shape(leaf.shape)
    total += size_of(jax.ShapeDtypeStruct(part, leaf.dtype))
  return total


def split(batch: Batch, parts: int) -> dict[str, jax.ShapeDtypeStruct]:
  """Returns the batch of one of so many devices.

  Raises:
    UserError: if it does not divide.
  """
  size = batch["mask"].shape[0]
  if size % parts:
    raise UserError(
      f"--devices: {parts} do not divide the batch of {size}; expected a "
      f"divisor of it, or --config.batch_size={-(-size // parts) * parts}."
    )
  return {
    name: jax.ShapeDtypeStruct((x.shape[0] // parts, *x.shape[1:]), x.dtype)
    for name, x in batch.items()
  }


def _placed(x: jax.ShapeDtypeStruct, execution: Any) -> jax.ShapeDtypeStruct:
  shape = x.shape
  if execution.axis:  # pmap has the devices in front
    shape = (execution.devices, shape[0] // execution.devices, *shape[1:])
  return jax.ShapeDtypeStruct(shape, x.dtype, sharding=execution.batch_sharding)
