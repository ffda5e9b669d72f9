"""Functions of single images that stay on the device which has the image.

A loop or a gather over images, split by the partitioner itself, gathers the
batch or asks all devices at every turn. `per_image` tells it that images do not
meet.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import PartitionSpec

from vision_jax.core.mapped import automatic_axes, automatic_devices


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
    if not _divides(arrays):
      return fn(*arrays)
    axes = automatic_axes()
    split = PartitionSpec(axes)
    return _over(axes, fn, split, split)(*arrays)

  return local


def summed(fn: Callable[..., Any]) -> Callable[..., Any]:
  """Returns `fn`, run by each device on its own part and added up over them.

  Args:
    fn: (arrays (b, ...), ...) -> arrays that are sums over examples. What is
      sent between the devices is in the dtype that they have.

  Where `per_image` calls a function as it is, this one does too.
  """

  @functools.wraps(fn)
  def local(*arrays: Any) -> Any:
    if not _divides(arrays):
      return fn(*arrays)
    axes = automatic_axes()
    add_up = lambda *parts: jax.lax.psum(fn(*parts), axes)
    return _over(axes, add_up, PartitionSpec(axes), PartitionSpec())(*arrays)

  return local


def _over(
  axes: tuple[str, ...],
  fn: Callable[..., Any],
  given: PartitionSpec,
  out: PartitionSpec,
) -> Callable[..., Any]:
  """Maps a function over axes of the mesh; others stay the partitioner's."""
  return jax.shard_map(
    fn,
    in_specs=given,
    out_specs=out,
    axis_names=set(axes),
    check_vma=False,
  )


def _divides(arrays: Any) -> bool:
  """Whether there are several devices, and they divide the arrays' rows."""
  devices = automatic_devices()
  size = jax.tree.leaves(arrays)[0].shape[0]
  return devices > 1 and size % devices == 0
