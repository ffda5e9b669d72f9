"""The layers that a net calls, with what goes in and what comes out.

A layer's name is its path in the net, "/"-joined as that of its parameters:
"conv4_3", "block11/mlp". The net is as it is: what is looked at, or changed, is
what its modules hand to one another while they are traced.
"""

import dataclasses
import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import flax.linen as nn

from vision_jax.errors import UserError

SHOWN = 12  # names that an error lists
T = TypeVar("T")


@dataclasses.dataclass(frozen=True, eq=False)
class Call:
  """A layer that was called.

  Attributes:
    path: its name.
    module: itself.
    args: what went in.
    kwargs: the same by name.
    out: what came out.
    kernel: its own; None where it has none.
  """

  path: str
  module: nn.Module
  args: tuple[Any, ...]
  kwargs: Mapping[str, Any]
  out: Any
  kernel: Any

  @property
  def given(self) -> Any:
    """The first that went in."""
    return next(iter([*self.args, *self.kwargs.values()]), None)


def recorded(
  run: Callable[[], T], change: Callable[[str, Any], Any] | None = None
) -> tuple[T, list[Call]]:
  """Returns run(), and the calls of layers in it, in the order they end.

  Args:
    run: applies a module, without remat (`without_remat`).
    change: (path, what came out) -> what goes on in its place.
  """
  found = []

  def look(method, args, kwargs, context):
    out, module = method(*args, **kwargs), context.module
    if context.method_name == "__call__" and module.path:
      path = "/".join(module.path)
      out = change(path, out) if change else out
      kernel = module.get_variable("params", "kernel")
      found.append(Call(path, module, args, kwargs, out, kernel))
    return out

  with nn.intercept_methods(look):
    return run(), found


def named(calls: Sequence[Call], layer: str) -> Call:
  """Returns the last call of a layer.

  Raises:
    UserError: if there is none; it names the nearest.
  """
  by_path = {call.path: call for call in calls}
  if layer in by_path:
    return by_path[layer]
  near = difflib.get_close_matches(layer, by_path, n=1, cutoff=0.0)
  shown = [path for path in by_path if "/" not in path][:SHOWN]
  raise UserError(
    f"--layer: got {layer!r}, which the net does not call; the nearest is "
    f"{near[0] if near else None!r}. Its layers are {', '.join(shown)}, and "
    "those within them, LAYER/INNER."
  )


def without_remat(value: T) -> T:
  """Returns a task or a module whose layers are all traced in one place.

  What they compute again in training they do not here, which changes no
  number.
  """
  changed = {
    field.name: without_remat(inner)
    for field in dataclasses.fields(value)
    if field.name != "parent"
    and isinstance(inner := getattr(value, field.name, None), nn.Module)
  }
  if getattr(value, "remat", "none") != "none":
    changed["remat"] = "none"
  if isinstance(value, nn.Module):
    return value.clone(**changed)
  return dataclasses.replace(value, **changed)
