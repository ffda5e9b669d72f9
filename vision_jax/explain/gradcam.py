"""Grad-CAM (Selvaraju et al., 2017): where a class's evidence is in a map.

The map's channels are weighed by the means of the score's gradient, added up,
and what is below 0 is cut off.
"""

import jax
import jax.numpy as jnp

from vision_jax.errors import UserError
from vision_jax.explain.net import (
  Choice,
  Explain,
  Net,
  grid_of,
  is_map,
  to_map,
  to_unit,
)
from vision_jax.explain.scores import scores
from vision_jax.layers.calls import Call, named


def prepare(net: Net, choice: Choice) -> tuple[Explain, str]:
  """Returns what gives `heat`, `label` and `score`, and the layer's name.

  Raises:
    UserError: if there is no such layer, no map in the net, or no such class.
  """
  call = _layer(net, choice.layer)
  grid = grid_of(net, call)

  def explain(weights, batch):
    def score(delta):
      add = lambda path, x: x + delta if path == call.path else x
      out, calls = net(weights, batch, add)
      every, label = scores(net, out)
      if choice.label is not None:
        _check_class(choice.label, every.shape[-1])
        label = jnp.full_like(label, choice.label)
      own = jnp.take_along_axis(every, label[:, None], 1)[:, 0]
      return own.sum(), (named(calls, call.path).out, label, own)

    b = len(batch["image"])
    zeros = jnp.zeros((b, *call.out.shape[1:]), call.out.dtype)
    slope, (values, label, own) = jax.grad(score, has_aux=True)(zeros)
    weight = to_map(slope, grid).mean((1, 2), keepdims=True)
    heat = jax.nn.relu((weight * to_map(values, grid)).sum(-1))
    return {"heat": to_unit(heat), "label": label, "score": own}

  return explain, call.path


def _check_class(label: int, k: int) -> None:
  if label >= k:
    raise UserError(f"--label: got {label}; expected 0 to {k - 1}.")


def _layer(net: Net, layer: str) -> Call:
  if layer:
    call = named(net.calls, layer)
  else:
    maps = [call for call in net.calls if is_map(call)]
    if not maps:
      raise UserError(
        f"--method=gradcam: {net.name} has no map of several places; expected "
        "a convolutional net, or a layer of tokens by --layer=NAME."
      )
    call = maps[-1]
  times = sum(x.path == call.path for x in net.calls)
  if times > 1:
    raise UserError(
      f"--layer: {net.name} calls {call.path!r} {times} times; expected one "
      "that is called once."
    )
  return call
