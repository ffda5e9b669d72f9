"""Tensor parallelism: a net's layers split over the axis `model` of a mesh.

What a net says by its `splits` lives split, and the partitioner does the rest.
"""

import copy
import math
import re
from collections.abc import Mapping, Sequence

import jax
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from vision_jax.core.execution import Execution, Jit
from vision_jax.core.mapped import MODEL
from vision_jax.core.types import Task
from vision_jax.errors import UserError
from vision_jax.layers.splits import Split, Splits


class Tensor(Jit):
  """`jax.jit` over a mesh whose last axis, `model`, splits a net's layers.

  What stands for a parameter in the optimizer's state or in averages has its
  path within its own, and so its place; of another shape, it may stay whole.
  Batches, and under FSDP what is left of large arrays, are split over the other
  axes.

  Args:
    mesh: axis name -> size, in order.
    devices: the devices, all of them by default.
  """

  takers = "groups of devices"

  def __init__(
    self,
    mesh: Mapping[str, int],
    *,
    devices: Sequence[jax.Device] | None = None,
  ):
    assert list(mesh)[-1] == MODEL, "its devices are next to each other"
    super().__init__(mesh, devices=devices)
    of_batch = tuple(name for name in mesh if name != MODEL)
    self.batch_sharding = NamedSharding(self.mesh, P(of_batch))
    self._shares = shares(self.mesh)
    self._splits: Splits | None = None

  @property
  def divisor(self) -> int:
    return self.mesh.size // self.mesh.shape[MODEL]

  @property
  def share(self) -> tuple[int, int]:
    return self._shares[jax.process_index()]

  def of(self, task: Task) -> Execution:
    new = copy.copy(self)
    new._splits = splits_for(task, self.mesh.shape)
    return new

  def split(self, path: str, leaf: jax.ShapeDtypeStruct) -> list[str | None]:
    assert self._splits is not None, "ask `of` first"
    axes: list[str | None] = [None] * leaf.ndim
    rule = _rule(path, self._splits)
    if rule and _divides(rule.axis, leaf.shape, self.mesh.shape[MODEL]):
      axes[rule.axis] = MODEL
    return axes


def splits_for(task: Task, axes: Mapping[str, int]) -> Splits:
  """Returns how a task's nets are split, as its `model.splits()` says.

  Raises:
    UserError: if nothing does, or they do not fit the mesh; see `check_splits`.
  """
  rules = getattr(getattr(task, "model", None), "splits", None)
  return check_splits(rules and rules(), axes)


def check_splits(splits: Splits | None, axes: Mapping[str, int]) -> Splits:
  """Returns the rules of a net, if they fit the axis `model` of a mesh.

  Args:
    splits: the net's; None where it has none.
    axes: name of each of the mesh's axes -> its size.

  Raises:
    UserError: if there are none, or the axis would cut what stays whole.
  """
  if not splits:
    raise UserError(
      "--execution=tensor: got a net without rules by which its arrays are "
      "split; expected one that has `splits`, such as ViT. Use "
      "--execution=fsdp, which splits any."
    )
  ways = axes[MODEL]
  most = math.gcd(ways, *(split.parts for split in splits.values()))
  for split in splits.values():
    if split.parts % ways:
      raise UserError(
        f"--mesh: got {MODEL}:{ways} for a net of {split.parts} {split.of}; "
        f"expected a divisor of them. {_instead(axes, most)}"
      )
  return splits


def shares(mesh: Mesh) -> dict[int, tuple[int, int]]:
  """Returns process -> which slice of a batch it feeds, and of how many.

  Processes whose devices take the same examples feed the same slice.

  Raises:
    UserError: if processes share some of their examples and not all.
  """
  inner = mesh.shape[MODEL]  # the last axis
  groups = mesh.devices.reshape(-1, inner)
  taken: dict[int, list[int]] = {}
  for number, devices in enumerate(groups):
    for process in {device.process_index for device in devices}:
      taken.setdefault(process, []).append(number)
  slices = list(dict.fromkeys(tuple(taken[p]) for p in sorted(taken)))
  if sum(map(len, slices)) != len(groups):
    raise UserError(
      f"--mesh: got {MODEL}:{inner} over processes of "
      f"{len(mesh.devices.flat) // len(taken)} devices; expected a divisor or "
      "a multiple of those."
    )
  return {p: (slices.index(tuple(x)), len(slices)) for p, x in taken.items()}


def _rule(path: str, splits: Splits) -> Split | None:
  found = (rule for name, rule in splits.items() if re.search(name, path))
  return next(found, None)


def _divides(which: int, shape: tuple[int, ...], ways: int) -> bool:
  there = -len(shape) <= which < len(shape)
  return there and shape[which] % ways == 0


def _instead(axes: Mapping[str, int], most: int) -> str:
  """Says what mesh of as many devices would do."""
  if most == 1:
    return "Use --execution=fsdp."
  data = axes["data"] * axes[MODEL] // most
  fitting = {**axes, "data": data, MODEL: most}
  text = ",".join(f"{name}:{size}" for name, size in fitting.items())
  return f"Use --mesh={text}."
