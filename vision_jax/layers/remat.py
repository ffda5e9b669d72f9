"""What a block's backward pass computes again, so that less is kept for it.

Autodiff keeps every value that a derivative asks for, from the forward pass to
the backward one. With remat="blocks" it keeps what enters a block, and the
block runs once more, for about a third more time; with "dots" also what costs
most to compute again, the results of convolutions and of products with weights,
so that normalisations, nonlinearities and attention alone run again.
"""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn

from vision_jax.errors import UserError

MODES = ("none", "blocks", "dots")


def remat(block: Any, mode: str, static: Sequence[int] = ()) -> Any:
  """Returns a block that computes again in its backward pass what `mode` says.

  Args:
    block: a module's class; or a method of one, which then takes the module
      first. It is called with positions alone: keywords are traced.
    mode: one of MODES.
    static: positions of arguments that are no arrays, counted with `self`.

  Raises:
    UserError: for another mode.
  """
  if mode not in MODES:
    raise UserError(f"remat: got {mode!r}; expected one of {', '.join(MODES)}.")
  if mode == "none":
    return block
  policy = _weighted if mode == "dots" else None
  return nn.remat(block, policy=policy, static_argnums=tuple(static))


def _weighted(primitive: Any, *_: Any, **parameters: Any) -> bool:
  """Whether a result is of a convolution, or of a product with a matrix.

  A product with batch axes is one of activations, such as attention's scores:
  l² values, which are not kept.
  """
  if primitive.name == "conv_general_dilated":
    return True
  if primitive.name != "dot_general":
    return False
  _, (batch, _) = parameters["dimension_numbers"]
  return not batch
