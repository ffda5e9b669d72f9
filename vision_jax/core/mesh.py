"""Meshes of devices: read from a flag, and laid out over slices.

A slice is what a fast network joins: a TPU slice, or the GPUs of a node. The
axes of a mesh are in order of how much they communicate, the inner ones (FSDP,
and more yet tensor parallelism) more than `data`, and so they stay within a
slice.
"""

import math
from collections.abc import Mapping, Sequence

import jax
import numpy as np
from jax.sharding import AxisType, Mesh

from vision_jax.errors import UserError

MODEL = "model"  # the axis that splits a net's layers, and no batch
# Execution -> the axes that its mesh may have, outermost first.
AXES = {
  "jit": ("data",),
  "fsdp": ("data", "fsdp"),
  "tensor": ("data", "fsdp", MODEL),
}
_ALL = AXES["tensor"]


def parse_mesh(text: str, devices: int, execution: str) -> dict[str, int]:
  """Reads "data:2,fsdp:4" for that many devices; "" takes them all.

  Args:
    text: axes and their sizes.
    devices: how many there are.
    execution: of AXES.

  Raises:
    UserError: if an axis is unknown or not the execution's, or the sizes do not
      use every device.
  """
  if not text:
    return {"data": 1, AXES[execution][-1]: devices}
  axes = _sizes(text)
  if math.prod(axes.values()) != devices:
    raise UserError(
      f"--mesh: {text!r} takes {math.prod(axes.values())} devices, "
      f"but there are {devices}; the sizes have to multiply to that."
    )
  for name in axes:
    if name not in AXES[execution]:
      fitting = next(x for x, known in AXES.items() if name in known)
      raise UserError(
        f"--mesh: {text!r} has the axis {name}; add --execution={fitting} to "
        "use it."
      )
  axes = {"data": 1, **axes}
  return {name: axes[name] for name in _ALL if name in axes}


def _sizes(text: str) -> dict[str, int]:
  """Reads the axes."""
  axes = {}
  for part in text.split(","):
    name, _, size = part.partition(":")
    known = name in _ALL and name not in axes
    if not known or not size.isdigit() or not int(size):
      raise UserError(
        f"--mesh: got {text!r}; expected axes out of data, fsdp and model with "
        "their sizes, for example data:2,fsdp:4."
      )
    axes[name] = int(size)
  return axes


def default_mesh(devices: Sequence[jax.Device], execution: str) -> str:
  """Returns the mesh to take where none is named, as text.

  With several slices an inner axis stays within each: what FSDP gathers, and
  `model` adds up, at every layer would else cross the slow network between
  them.
  """
  slices, inner = len(by_slice(devices)), AXES[execution][-1]
  if inner == "data" or slices == 1:
    return ""
  return f"data:{slices},{inner}:{len(devices) // slices}"


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


def shares(mesh: Mesh) -> dict[int, tuple[int, int]]:
  """Returns process -> which slice of a batch it feeds, and of how many.

  Processes whose devices take the same examples feed the same slice.

  Raises:
    UserError: if processes share some of their examples and not all.
  """
  inner = mesh.shape.get(MODEL, 1)  # the last axis
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


def by_slice(devices: Sequence[jax.Device]) -> list[list[jax.Device]]:
  """Returns the devices of each slice, sorted by process and number."""
  slices: dict[int, list[jax.Device]] = {}
  for device in sorted(devices, key=lambda d: (d.process_index, d.id)):
    slices.setdefault(slice_of(device), []).append(device)
  return [slices[number] for number in sorted(slices)]


def slice_of(device: jax.Device) -> int:
  """Returns the slice of a device; 0 where the platform has none."""
  return getattr(device, "slice_index", None) or 0
