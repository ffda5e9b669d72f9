"""What goes into a layer of a network, without changing the network."""

from typing import Any

import flax.linen as nn

from vision_jax.core.types import Array
from vision_jax.errors import UserError


def apply_with_input(
  model: nn.Module, variables: Any, *args: Any, layer: str, **options: Any
) -> tuple[Any, Array]:
  """Returns model.apply(variables, ...), and the input of one of its layers.

  The input of a classifier's last layer, flattened, is what distances of
  generated images take as features.

  Args:
    model: the network.
    variables: its parameters and statistics.
    *args: of its call.
    layer: name of the layer, below the model itself ("head").
    **options: of its call.

  Raises:
    UserError: if the model calls no such layer.
  """
  found = []

  def record(call, values, keywords, context):
    if context.method_name == "__call__" and context.module.name == layer:
      found.append(values[0])
    return call(*values, **keywords)

  with nn.intercept_methods(record):
    out = model.apply(variables, *args, **options)
  if len(found) != 1:
    raise UserError(
      f"layer: {type(model).__name__} called {len(found)} layers named "
      f"{layer!r}; expected exactly one."
    )
  return out, found[0]
