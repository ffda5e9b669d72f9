"""What a layer makes of an image: its channels as images, and their mean."""

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
from vision_jax.layers.calls import named


def prepare(net: Net, choice: Choice) -> tuple[Explain, str]:
  """Returns what gives `heat` and `maps` (b, h, w, d), and the layer's name.

  The heat is the mean of the channels' absolute values; the layer is the net's
  first map where none is named.

  Raises:
    UserError: if there is no such layer, or its output has no places.
  """
  maps = [call for call in net.calls if is_map(call)]
  if not (choice.layer or maps):
    raise UserError(
      f"--method=features: {net.name} has no map of several places; expected "
      "a convolutional net, or a layer of tokens by --layer=NAME."
    )
  call = named(net.calls, choice.layer) if choice.layer else maps[0]
  grid = grid_of(net, call)

  def explain(weights, batch):
    _, calls = net(weights, batch)
    found = to_map(named(calls, call.path).out, grid)
    return {"heat": to_unit(jnp.abs(found).mean(-1)), "maps": found}

  return explain, call.path
