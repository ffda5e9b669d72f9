"""Meshes of devices: read from a flag, and laid out over slices.

A slice is what a fast network joins: a TPU slice, or the GPUs of a node. The
axes of a mesh are in order of how much they communicate, the inner ones (FSDP)
more than `data`, and so they stay within a slice.
"""

from collections.abc import Mapping, Sequence

import jax
import numpy as np
from jax.sharding import AxisType, Mesh

from vision_jax.errors import UserError


def parse_mesh(text: str, devices: int, *, fsdp: bool) -> dict[str, int]:
  """Reads "data:2,fsdp:4" for that many devices; "" takes them all.

  Raises:
    UserError: if an axis is unknown or the sizes do not use every device.
  """
  if not text:
    return {"data": 1, "fsdp": devices} if fsdp else {"data": devices}
  axes = {}
  for part in text.split(","):
    name, _, size = part.partition(":")
    known = name in ("data", "fsdp") and name not in axes
    if not known or not size.isdigit() or not int(size):
      raise UserError(
        f"--mesh: got {text!r}; expected axes out of data and fsdp with their "
        "sizes, for example data:2,fsdp:4."
      )
    axes[name] = int(size)
  if int(np.prod(list(axes.values()))) != devices:
    raise UserError(
      f"--mesh: {text!r} takes {int(np.prod(list(axes.values())))} devices, "
      f"but there are {devices}; the sizes have to multiply to that."
    )
  if "fsdp" in axes and not fsdp:
    raise UserError(
      f"--mesh: {text!r} has an fsdp axis; add --execution=fsdp to use it."
    )
  return {"data": 1, **axes}


def default_mesh(devices: Sequence[jax.Device], *, fsdp: bool) -> str:
  """Returns the mesh to take where none is named, as text.

  With several slices FSDP stays within each: what it gathers at every layer
  would else cross the slow network between them.
  """
  slices = len(by_slice(devices))
  if not fsdp or slices == 1:
    return ""
  return f"data:{slices},fsdp:{len(devices) // slices}"


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
      f"data:{len(devices) // min(sizes)},fsdp:{min(sizes)}."
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
