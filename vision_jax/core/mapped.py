"""The mapped axis of the step that is being traced, as a context.

Under `pmap` a layer that looks at the whole batch (BatchNorm) or at an
example's place in it (Dropout) has to know over which axis the batch is split.
`Pmap` enters `mapped` *inside* the function that it maps, so that it holds
exactly while that is traced; steps and layers ask `mapped_axis`, and no
signature carries it.
"""

import contextlib
import contextvars
import math
from collections.abc import Iterator
from typing import TypeVar

import jax
from jax.sharding import AxisType

T = TypeVar("T")
MODEL = "model"  # the axis over which a net's layers are split, and no batch

_AXIS: contextvars.ContextVar[str | None] = contextvars.ContextVar(
  "vision_jax_mapped_axis", default=None
)


@contextlib.contextmanager
def mapped(axis: str | None) -> Iterator[None]:
  """Names the mapped axis while a step is traced; None where there is none.

  Enter it within the function that is mapped, never around a call of it: a
  compiled function does not look again.
  """
  token = _AXIS.set(axis)
  try:
    yield
  finally:
    _AXIS.reset(token)


def mapped_axis() -> str | None:
  """Returns the mapped axis, None under `jit`.

  Raises:
    RuntimeError: if jax maps over an axis that no `mapped` names, where a
      layer would silently see one shard for the whole batch.
  """
  axis = _AXIS.get()
  unnamed = set(manual_axes()) - {axis}
  if unnamed:
    raise RuntimeError(
      f"mapped_axis: this is traced under a map over {sorted(unnamed)}, and "
      f"the context names {axis!r}; enter vision_jax.core.mapped.mapped(axis) "
      "inside the mapped function, as vision_jax.core.execution.Pmap does."
    )
  return axis


def add_shards(tree: T) -> T:
  """Returns sums over the shards of the batch; under `jit` it is one."""
  axis = mapped_axis()
  return tree if axis is None else jax.lax.psum(tree, axis)


def gather_shards(tree: T) -> T:
  """Returns all shards' rows, on the leading axis of each leaf."""
  if (axis := mapped_axis()) is None:
    return tree
  gather = lambda x: jax.lax.all_gather(x, axis, axis=0, tiled=True)
  return jax.tree.map(gather, tree)


def manual_axes() -> tuple[str, ...]:
  """Returns the axes that are mapped where this is traced."""
  return _axes(AxisType.Manual)


def automatic_axes() -> tuple[str, ...]:
  """Returns the axes over which jit splits a batch where this is traced."""
  return tuple(axis for axis in _axes(AxisType.Auto) if axis != MODEL)


def automatic_devices() -> int:
  """Returns over how many devices jit splits a batch where this is traced."""
  shape = jax.sharding.get_abstract_mesh().shape
  return math.prod(shape[axis] for axis in automatic_axes())


def _axes(kind: AxisType) -> tuple[str, ...]:
  mesh = jax.sharding.get_abstract_mesh()
  pairs = zip(mesh.axis_names, mesh.axis_types, strict=True)
  return tuple(name for name, type_ in pairs if type_ == kind)
