"""Meshes of devices, laid out over slices.

A slice is what a fast network joins: a TPU slice, or the GPUs of a node. The
axes of a mesh are in order of how much they communicate, the inner ones (FSDP,
and more yet tensor parallelism) more than `data`, and so they stay within a
slice.
"""

from collections.abc import Mapping, Sequence

import jax
import numpy as np
from jax.sharding import AxisType, Mesh

from vision_jax.errors import UserError


def make_mesh(axes: Mapping[str, int], devices: Sequence[jax.Device]) -> Mesh:
  """Returns the mesh of these axes (name -> size, outermost first).

  `jax.make_mesh` lays out one slice by its network; it refuses several, which
  are sorted here, so that inner axes lie within a slice.

  Raises:
    UserError: if an inner axis would straddle slices.
  """
  types = (AxisType.Auto,) * len(axes)
  slices = by_slice(devices)
  if len(slices) == 1:
    return jax.make_mesh(
      tuple(axes.values()), tuple(axes), axis_types=types, devices=devices
    )
  sizes = {len(slice_) for slice_ in slices}
  inner = int(np.prod(list(axes.values())[1:], dtype=int))
  if any(size % inner for size in sizes):
    raise UserError(
      f"--mesh: got {dict(axes)} for {len(slices)} slices of "
      f"{sorted(sizes)} devices; expected slices that the axes after the "
      "first fill evenly, for example "
      f"data:{len(devices) // min(sizes)},{list(axes)[-1]}:{min(sizes)}."
    )
  flat = [device for slice_ in slices for device in slice_]
  grid = np.empty(len(flat), object)
  grid[:] = flat
  return Mesh(grid.reshape(*axes.values()), tuple(axes), axis_types=types)


def by_slice(devices: Sequence[jax.Device]) -> list[list[jax.Device]]:
  """Returns the devices of each slice, sorted by process and number."""
  slices: dict[int, list[jax.Device]] = {}
  for device in sorted(devices, key=lambda d: (d.process_index, d.id)):
    slices.setdefault(slice_of(device), []).append(device)
  return [slices[number] for number in sorted(slices)]


def slice_of(device: jax.Device) -> int:
  """Returns the slice of a device; 0 where the platform has none."""
  return getattr(device, "slice_index", None) or 0
