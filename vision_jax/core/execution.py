"""Where a step runs: `Jit` over a mesh, or `Pmap`. Nothing else names devices.

Both keep state on the devices, take a batch as each process's slice of the
global one, and return logs, sums and rows whole on every process.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import jax
import numpy as np
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from vision_jax.core.mapped import mapped
from vision_jax.core.mesh import make_mesh
from vision_jax.core.state import TrainState
from vision_jax.core.step import EvalStep, TrainStep
from vision_jax.core.types import HostBatch, Nets, Task
from vision_jax.errors import UserError

T = TypeVar("T")
Compiled = jax.stages.Wrapped
MIN_SHARDED = 2**14  # elements; FSDP keeps smaller arrays whole
# What runs once is compiled fast: on a CPU a quarter of the time.
_ONCE = {
  "xla_backend_optimization_level": 0,
  "xla_llvm_disable_expensive_passes": True,
}


class Execution(Protocol):
  """Where steps run, and where what they work on lives."""

  @property
  def devices(self) -> int:
    """Devices of all processes."""

  @property
  def shards(self) -> int:
    """Into how many parts a batch is split for a step as it is written."""

  @property
  def divisor(self) -> int:
    """What a batch has to divide by: the parts that devices take of it."""

  @property
  def share(self) -> tuple[int, int]:
    """Which slice of each batch is this process's, and of how many."""

  def of(self, task: Task) -> "Execution":
    """Returns the execution for a task: it may split the layers of its net.

    Raises:
      UserError: if it does, and that of the task has no rules for it.
    """

  def init(self, make_state: Callable[[], T]) -> T:
    """Runs `make_state`, so that the state is born in its place."""

  def abstract(self, make_state: Callable[[], T]) -> T:
    """Returns the state's shapes, types and places, without making it."""

  def train_step(self, step: TrainStep, state: TrainState) -> Compiled:
    """Compiles a step, which consumes its state, not the fixed nets."""

  def eval_step(self, step: EvalStep) -> Compiled:
    """Compiles step(params, stats, metric_states, batch, key)."""

  def trace(self, step: Compiled, *args: Any) -> None:
    """Traces what `eval_step` has returned; compiles and runs nothing."""

  def put(self, batch: HostBatch) -> dict[str, jax.Array]:
    """Places this process's slice of a batch; the only transfer of a step."""

  def place(self, tree: T) -> T:
    """Copies a small tree of host arrays whole to every device."""

  def check_stats(self, stats: Nets) -> None:
    """Checks, after a step, that all devices have the same statistics."""


class Jit(Execution):
  """`jax.jit` over a mesh: data parallel, or fully sharded (FSDP).

  Under FSDP each large array of the state lives split over the axis `fsdp` on
  its largest divisible dimension; batches are split over all axes.

  Args:
    mesh: axis name -> size, in order; all devices on "data" by default.
    devices: the devices, all of them by default.
  """

  axis: str | None = None  # that a step is mapped over
  shards = 1
  takers = "devices"  # what takes a part of the batch each

  def __init__(
    self,
    mesh: Mapping[str, int] | None = None,
    *,
    devices: Sequence[jax.Device] | None = None,
  ):
    devices = list(jax.devices() if devices is None else devices)
    mesh = dict(mesh or {"data": len(devices)})
    self.mesh = make_mesh(mesh, devices)
    self.replicated = NamedSharding(self.mesh, P())
    self.batch_sharding = NamedSharding(self.mesh, P(tuple(mesh)))

  @property
  def devices(self) -> int:
    return self.mesh.size

  @property
  def divisor(self) -> int:
    return self.mesh.size

  @property
  def share(self) -> tuple[int, int]:
    owners = sorted({d.process_index for d in self.mesh.devices.flat})
    return owners.index(jax.process_index()), len(owners)

  def of(self, task: Task) -> Execution:
    del task
    return self

  def init(self, make_state: Callable[[], T]) -> T:
    places = _places(self.abstract(make_state))
    on_cpu = self.mesh.devices.flat[0].platform == "cpu"
    return jax.jit(
      make_state,
      out_shardings=places,
      compiler_options=_ONCE if on_cpu else None,
    )()

  def abstract(self, make_state: Callable[[], T]) -> T:
    return jax.tree_util.tree_map_with_path(
      lambda path, x: jax.ShapeDtypeStruct(
        x.shape, x.dtype, sharding=self._sharding(path, x)
      ),
      jax.eval_shape(make_state),
    )

  def train_step(self, step: TrainStep, state: TrainState) -> Compiled:
    return jax.jit(
      self._on_mesh(step),
      donate_argnums=0,
      out_shardings=(_places(state), self.replicated),
    )

  def eval_step(self, step: EvalStep) -> Compiled:
    return jax.jit(self._on_mesh(step), out_shardings=self.replicated)

  def trace(self, step: Compiled, *args: Any) -> None:
    step.eval_shape(*args)

  def put(self, batch: HostBatch) -> dict[str, jax.Array]:
    _check_divisible(batch, self.divisor // self.share[1], self.takers)
    return {
      name: jax.make_array_from_process_local_data(self.batch_sharding, x)
      for name, x in batch.items()
    }

  def place(self, tree: T) -> T:
    return jax.device_put(tree, self.replicated)

  def check_stats(self, stats: Nets) -> None:
    """Has nothing to check: what one program computes is one already."""

  def _on_mesh(self, step: Callable[..., T]) -> Callable[..., T]:
    """Returns the step, traced where operations can ask for the mesh."""

    @functools.wraps(step)
    def traced(*args):
      with jax.sharding.use_abstract_mesh(self.mesh.abstract_mesh):
        return step(*args)

    return traced

  def split(self, path: str, leaf: jax.ShapeDtypeStruct) -> list[str | None]:
    """Returns over which axis each dimension of an array is split at least."""
    del path
    return [None] * leaf.ndim

  def _sharding(
    self, path: tuple[Any, ...], leaf: jax.ShapeDtypeStruct
  ) -> NamedSharding:
    name = jax.tree_util.keystr(path, simple=True, separator="/")
    axes, ways = self.split(name, leaf), self.mesh.shape.get("fsdp", 1)
    free = zip(leaf.shape, axes, strict=True)
    sizes = [n if taken is None and n % ways == 0 else 0 for n, taken in free]
    if ways > 1 and leaf.size >= MIN_SHARDED and any(sizes):
      axes[int(np.argmax(sizes))] = "fsdp"
    while axes and axes[-1] is None:
      axes.pop()
    return NamedSharding(self.mesh, P(*axes))


class Pmap(Jit):
  """`jax.pmap` of the same step over all devices; the state is replicated."""

  axis = "batch"

  def __init__(self, *, devices: Sequence[jax.Device] | None = None):
    devices = list(jax.devices() if devices is None else devices)
    super().__init__({self.axis: len(devices)}, devices=devices)
    self.shards = len(devices)

  def train_step(self, step: TrainStep, state: TrainState) -> Compiled:
    return self._map(step, (None, 0, None), donate_argnums=0)

  def eval_step(self, step: EvalStep) -> Compiled:
    return self._map(step, (None, None, None, 0, None))

  def trace(self, step: Compiled, *args: Any) -> None:
    """Traces one shard: over several processes `pmap` tells no shapes."""
    *others, batch, key = args
    shard = {
      k: jax.ShapeDtypeStruct(x.shape[1:], x.dtype) for k, x in batch.items()
    }
    axes = [(self.axis, self.devices)]
    jax.make_jaxpr(step.__wrapped__, axis_env=axes)(*others, shard, key)

  def put(self, batch: HostBatch) -> dict[str, jax.Array]:
    """Places this process's slice, reshaped to (devices, b, ...)."""
    n = self.mesh.local_mesh.size
    _check_divisible(batch, n)
    return super().put(
      {k: x.reshape(n, x.shape[0] // n, *x.shape[1:]) for k, x in batch.items()}
    )

  def check_stats(self, stats: Nets) -> None:
    """Checks that every device has come to the same statistics.

    Only the first device's are kept, so that others would be lost.

    Raises:
      ValueError: naming the first that differ.
    """
    for path, leaf in jax.tree_util.tree_leaves_with_path(stats):
      first, *others = (np.asarray(x.data) for x in leaf.addressable_shards)
      if not all(np.array_equal(first, x, equal_nan=True) for x in others):
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        raise ValueError(
          f"stats: the devices disagree on {name} under --execution=pmap; "
          "expected the same everywhere. Return a Mean or Rows, which the "
          "step joins over the devices, or use --execution=jit."
        )

  def _map(
    self,
    step: TrainStep | EvalStep,
    in_axes: tuple[int | None, ...],
    **options: Any,
  ) -> Compiled:
    return jax.pmap(
      mapped(self.axis)(step),
      axis_name=self.axis,
      in_axes=in_axes,
      out_axes=None,
      devices=list(self.mesh.devices.flat),
      **options,
    )


def _places(state: T) -> T:
  return jax.tree.map(lambda leaf: leaf.sharding, state)


def _check_divisible(
  batch: HostBatch, parts: int, takers: str = "devices"
) -> None:
  size = len(batch["mask"])
  if size % parts:
    raise UserError(
      f"batch_size: {size} examples on this process do not divide by its "
      f"{parts} {takers}; expected a multiple of {parts}, for example "
      f"{-(-size // parts) * parts}."
    )
