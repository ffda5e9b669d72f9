"""What a layer of a net gives, by the layer's name, in any task.

Without a name it is what the task itself calls `features`, as an embedding's
does; else what goes into the head, the last linear layer that is called; see
`layers.calls`.
"""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from vision_jax.core.types import Array, Output, Task
from vision_jax.errors import UserError
from vision_jax.layers.calls import Call, named, recorded, without_remat


def layer_features(task: Task, layer: str = "") -> Output:
  """Returns (params, stats, batch, key) -> features (b, d) and `label`.

  Maps (b, h, w, d) and tokens (b, l, d) become their means over places.

  Args:
    task: whose nets predict; what they compute again in training they do not
      here, which changes no number.
    layer: its name; "" is the task's own `features`, or what goes into the
      head.

  Raises:
    UserError: when traced, if there is no such layer (it names the nearest), or
      it gives no one array of the batch.
  """
  plain = without_remat(task)

  def output(params, stats, batch, key):
    out, calls = recorded(lambda: plain.predict(params, stats, batch, key))
    if layer:
      found = named(calls, layer).out
    elif isinstance(out, dict) and "features" in out:
      found = out["features"]
    else:
      found = _into_head(calls)
    features = _pooled(found, len(batch["mask"]), layer)
    label = {"label": batch["label"]} if "label" in batch else {}
    return {"features": features} | label

  return output


def _into_head(calls: Sequence[Call]) -> Any:
  linear = [
    call.given
    for call in calls
    if call.kernel is not None and jnp.ndim(call.kernel) == 2
  ]
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
