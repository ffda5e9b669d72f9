"""What a layer of a net gives, by the layer's name, in any task.

A layer's name is its path in the net, "/"-joined as that of its parameters:
"conv4_3", "block11/mlp". Without a name it is what goes into the head, the last
linear layer that is called.
"""

import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from vision_jax.core.types import Array, Batch, Nets, Output, Task
from vision_jax.errors import UserError

SHOWN = 12  # names that an error lists


def layer_features(task: Task, layer: str = "") -> Output:
  """Returns (params, stats, batch, key) -> features (b, d) and `label`.

  Maps (b, h, w, d) and tokens (b, l, d) become their means over places.

  Args:
    task: whose nets predict; what they compute again in training they do not
      here, which changes no number.
    layer: its name; "" is what goes into the head.

  Raises:
    UserError: when traced, if there is no such layer (it names the nearest), or
      it gives no one array of the batch.
  """
  plain = _without_remat(task)

  def output(params, stats, batch, key):
    calls = _calls(plain, params, stats, batch, key)
    found = _named(calls, layer) if layer else _into_head(calls)
    features = _pooled(found, len(batch["mask"]), layer)
    label = {"label": batch["label"]} if "label" in batch else {}
    return {"features": features} | label

  return output


@dataclasses.dataclass(frozen=True)
class _Call:
  """A layer that was called: its path, what went in, what came out."""

  path: str
  linear: bool
  given: Any
  out: Any


def _calls(
  task: Task, params: Nets, stats: Nets, batch: Batch, key: Array
) -> list[_Call]:
  """Returns the calls of a prediction, in the order in which they end."""
  found = []

  def look(method, args, kwargs, context):
    out, module = method(*args, **kwargs), context.module
    if context.method_name == "__call__" and module.path:
      kernel = module.get_variable("params", "kernel")
      given = next(iter([*args, *kwargs.values()]), None)
      linear = kernel is not None and jnp.ndim(kernel) == 2
      found.append(_Call("/".join(module.path), linear, given, out))
    return out

  with nn.intercept_methods(look):
    task.predict(params, stats, batch, key)
  return found


def _named(calls: Sequence[_Call], layer: str) -> Any:
  outs: Mapping[str, Any] = {call.path: call.out for call in calls}
  if layer in outs:
    return outs[layer]
  near = difflib.get_close_matches(layer, outs, n=1, cutoff=0.0)
  shown = [path for path in outs if "/" not in path][:SHOWN]
  raise UserError(
    f"--layer: got {layer!r}, which the net does not call; the nearest is "
    f"{near[0] if near else None!r}. Its layers are {', '.join(shown)}, and "
    "those within them, LAYER/INNER."
  )


def _into_head(calls: Sequence[_Call]) -> Any:
  linear = [call.given for call in calls if call.linear]
  if not linear:
    raise UserError(
      "--layer is missing: the net has no linear layer whose input would be "
      "its features. Name a layer, such as --layer="
      f"{calls[-1].path if calls else 'NAME'}."
    )
  return linear[-1]


def _pooled(x: Any, size: int, layer: str) -> Array:
  shape = getattr(x, "shape", None)
  if shape is None or len(shape) < 2 or shape[0] != size:
    raise UserError(
      f"--layer: {layer or 'the head'!r} has {shape or type(x).__name__}; "
      "expected a layer with one array for a batch, (b, ..., d)."
    )
  x = x.astype(jnp.float32)
  return x.reshape(size, -1, shape[-1]).mean(1) if len(shape) > 2 else x


def _without_remat(task: Task) -> Task:
  """Returns the task with nets whose layers are all traced in one place."""
  changed = {
    field.name: module.clone(remat="none")
    for field in dataclasses.fields(task)
    if isinstance(module := getattr(task, field.name), nn.Module)
    and getattr(module, "remat", "none") != "none"
  }
  return dataclasses.replace(task, **changed) if changed else task
