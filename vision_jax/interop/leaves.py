"""A module's variables as leaves by path, and back."""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from flax import traverse_util

from vision_jax.errors import UserError
from vision_jax.interop.tensors import Tensor

Variables = dict[str, Any]


def flat(variables: Mapping[str, Any]) -> dict[str, Any]:
  """Returns path -> leaf: "params/conv1/kernel", "batch_stats/bn1/mean"."""
  return traverse_util.flatten_dict(dict(variables), sep="/")


def abstract(model: nn.Module, *inputs: Any, **options: Any) -> Variables:
  """Returns the shapes of a module's variables; computes nothing.

  Args:
    model: takes `train`.
    *inputs: arrays or `jax.ShapeDtypeStruct`s, such as images.
    **options: of the module's call.
  """
  make = lambda *x: model.init(jax.random.key(0), *x, train=False, **options)
  return jax.eval_shape(make, *inputs)


def shapes(variables: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
  """Returns path -> shape."""
  return {path: tuple(x.shape) for path, x in flat(variables).items()}


def read(leaves: Mapping[str, Tensor]) -> Variables:
  """Reads converted leaves, as float32, one at a time.

  They are put on the device as they are: `jnp.asarray` would compile a copy
  for each shape, which takes more memory than most of them.

  Returns:
    A module's variables, {"params": ..., "batch_stats": ...}.

  Raises:
    UserError: for values that are not finite.
  """
  arrays = {path: jax.device_put(_read(path, x)) for path, x in leaves.items()}
  return traverse_util.unflatten_dict(arrays, sep="/")


def _read(path: str, tensor: Tensor) -> np.ndarray:
  array = np.asarray(tensor.load(), np.float32, order="C")
  if not np.isfinite(array).all():
    raise UserError(
      f"{path}: the file has values there that are not finite; expected "
      "weights of a net that works. Take another file, or an earlier one."
    )
  return array


def merged(variables: Variables, more: Mapping[str, Any]) -> Variables:
  """Returns variables with more leaves, by path."""
  return traverse_util.unflatten_dict({**flat(variables), **more}, sep="/")
