"""The layers of a net, one by one, without running or allocating."""

import dataclasses
import math
import re
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax

from vision_jax.forms.choice import use_forms
from vision_jax.models.count import COUNTED, flops_by

_MARK = re.compile(r"layer:(\d+)")


@dataclasses.dataclass
class Layer:
  """One call of a module, without those within it: layers add up to the net.

  Attributes:
    path: names of the modules around it and its own; () is the net.
    kind: its class, and the method where that is not `__call__`.
    outputs: shapes of what it returns.
    parameters: numbers of its own; 0 of a later call, which shares them.
    flops: operations that it computes itself, two for each multiply-add, see
      `count`.
  """

  path: tuple[str, ...]
  kind: str
  outputs: tuple[tuple[int, ...], ...] = ()
  parameters: int = 0
  flops: int = 0


def layers(fn: Callable[..., Any], *args: Any) -> list[Layer]:
  """Returns the calls of modules in fn(*args), in their order.

  Args:
    fn: initialises modules, or applies them.
    *args: arrays, or `jax.ShapeDtypeStruct`s of them: nothing is computed.
  """
  calls = _Calls()

  def traced(*args):  # a function of its own: what was traced is remembered
    return fn(*args)

  with nn.intercept_methods(calls), use_forms(**COUNTED):
    jaxpr = jax.make_jaxpr(traced)(*args)
  for index, flops in flops_by(jaxpr.jaxpr, _layer_of).items():
    if index is not None:
      calls.found[index].flops = flops
  return calls.found


class _Calls:
  """Notes each call of a module, and marks what it traces with its number."""

  def __init__(self):
    self.found: list[Layer] = []
    self._open: list[tuple[str, ...]] = []
    self._net = 0  # how many nets have begun
    self._counted: set[tuple[Any, ...]] = set()

  def __call__(self, run, args, kwargs, context) -> Any:
    module, method = context.module, context.method_name
    if method == "setup" or (
      method != "__call__" and self._open[-1:] == [module.path]
    ):  # part of the call that it is made in
      return self._within(module, run, args, kwargs)
    self._net += not self._open
    kind = type(module).__name__
    kind += "" if method == "__call__" else f".{method}"
    self.found.append(layer := Layer(module.path, kind))
    with jax.named_scope(f"layer:{len(self.found) - 1}"):
      out = self._within(module, run, args, kwargs)
    layer.outputs = tuple(x.shape for x in jax.tree.leaves(out))
    layer.parameters = self._parameters(module)
    return out

  def _within(self, module, run, args, kwargs) -> Any:
    self._open.append(module.path)
    try:
      return run(*args, **kwargs)
    finally:
      self._open.pop()

  def _parameters(self, module: nn.Module) -> int:
    """Counts those that are not of the modules within, of each net once."""
    total = 0
    for name, value in module.variables.get("params", {}).items():
      key = (self._net, module.path, name)
      if hasattr(value, "shape") and key not in self._counted:
        self._counted.add(key)
        total += math.prod(value.shape)
    return total


def _layer_of(equation: Any) -> int | None:
  """Returns which call an equation is of, the innermost; None for none."""
  marks = _MARK.findall(str(equation.source_info.name_stack))
  return int(marks[-1]) if marks else None
