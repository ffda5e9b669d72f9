"""Where the arrays of a state live on a mesh: whole, or split over its axes.

FSDP splits any large array, wherever it divides best. Tensor parallelism splits
a layer's work, and so only what a net says can be split: by its `splits`.
"""

import math
import re
from collections.abc import Mapping
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from vision_jax.core.mesh import MODEL
from vision_jax.core.types import HostBatch, Task
from vision_jax.errors import UserError

MIN_SHARDED = 2**14  # elements; FSDP keeps smaller arrays whole


class Split(NamedTuple):
  """How an array is split over the mesh's axis `model`.

  Attributes:
    axis: of the array.
    parts: how many there are of what stays whole; they lie along the axis.
    of: what they are, such as "heads".
  """

  axis: int
  parts: int
  of: str


Splits = Mapping[str, Split]  # pattern, found in an array's path -> how


def place(
  path: str, leaf: jax.ShapeDtypeStruct, mesh: Mesh, splits: Splits
) -> NamedSharding:
  """Returns where an array lives: split over `model`, `fsdp`, both or neither.

  What stands for a parameter in the optimizer's state or in averages has its
  path within its own, and so its place. Of another shape, it may stay whole.

  Args:
    path: names down to the array, joined by "/".
    leaf: its shape.
    mesh: the mesh.
    splits: how arrays are split over `model`.
  """
  axes: list[str | None] = [None] * leaf.ndim
  split = _rule(path, splits)
  if split and _divides(split.axis, leaf.shape, mesh.shape.get(MODEL, 1)):
    axes[split.axis] = MODEL
  ways = mesh.shape.get("fsdp", 1)
  free = zip(leaf.shape, axes, strict=True)
  sizes = [n if axis is None and n % ways == 0 else 0 for n, axis in free]
  if ways > 1 and leaf.size >= MIN_SHARDED and any(sizes):
    axes[int(np.argmax(sizes))] = "fsdp"
  while axes and axes[-1] is None:
    axes.pop()
  return NamedSharding(mesh, P(*axes))


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


def check_batch(batch: HostBatch, parts: int, takers: str = "devices") -> None:
  """Refuses a process's slice of a batch that its devices cannot share.

  Args:
    batch: the slice.
    parts: how many parts they take.
    takers: what takes one each.

  Raises:
    UserError: with a size that divides.
  """
  size = len(batch["mask"])
  if size % parts:
    raise UserError(
      f"batch_size: {size} examples on this process do not divide by its "
      f"{parts} {takers}; expected a multiple of {parts}, for example "
      f"{-(-size // parts) * parts}."
    )


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
