"""Functions of single images that stay on the device which has the image.

A loop or a gather over images, split by the partitioner itself, gathers the
batch or asks all devices at every turn. `per_image` tells it that images do not
meet.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import PartitionSpec

from vision_jax.core.mapped import automatic_axes


def per_image(fn: Callable[..., Any]) -> Callable[..., Any]:
  """Returns `fn`, run by each device on its own part of the batch.

  Args:
    fn: (arrays (b, ...), ...) -> arrays (b, ...), where no example depends on
      another.

  Under `jit` the batch is split over the mesh of the execution whose step is
  traced; on one device, under `pmap` (where each device has its own examples
  anyway), or where the devices do not divide b, `fn` is called as it is.
  """

  @functools.wraps(fn)
  def local(*arrays: Any) -> Any:
    axes = automatic_axes()
    shape = jax.sharding.get_abstract_mesh().shape
    ways = math.prod(shape[axis] for axis in axes)
    size = jax.tree.leaves(arrays)[0].shape[0]
    if ways == 1 or size % ways:
      return fn(*arrays)
    split = PartitionSpec(axes)
    mapped = jax.shard_map(fn, in_specs=split, out_specs=split, check_vma=False)
    return mapped(*arrays)

  return local
