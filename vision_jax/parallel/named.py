"""Executions by the names that flags give them, and their meshes."""

import math
from collections.abc import Sequence

import jax

from vision_jax.core.execution import Execution, Jit, Pmap
from vision_jax.core.mapped import MODEL
from vision_jax.core.mesh import by_slice
from vision_jax.errors import UserError
from vision_jax.parallel.tensor import Tensor

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


def make_execution(name: str, mesh: str = "") -> Execution:
  """Returns the execution called "jit", "fsdp", "tensor" or "pmap".

  Raises:
    UserError: for another name, or a mesh that does not fit the devices.
  """
  if name == "pmap":
    if mesh:
      raise UserError(
        f"--mesh: got {mesh!r} with --execution=pmap, which takes all devices "
        "on one axis; leave --mesh out or use --execution=jit."
      )
    return Pmap()
  if name not in AXES:
    raise UserError(
      f"--execution: got {name!r}; expected {', '.join(AXES)} or pmap."
    )
  mesh = mesh or default_mesh(jax.devices(), name)
  made = Tensor if name == "tensor" else Jit
  return made(parse_mesh(mesh, jax.device_count(), name))
