"""A net that is adapted to other data: low-rank updates, norms as they were.

LoRA (Hu et al., 2021) adds to a kernel W, which stays as it is, a product of
two narrow ones: W + scale A B. Here parameters A and B lie beside the kernel,
as `lora_a` and `lora_b`, and are added to it before the net is applied: the net
itself knows nothing of them, and `merged` gives its parameters.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import traverse_util

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.layers.norm import BatchNorm

A, B = "lora_a", "lora_b"


@dataclasses.dataclass(frozen=True)
class Adapted:
  """A module with low-rank updates of kernels, applied as the module is.

  Of a linear layer's kernel (c, d), A (c, r) begins as normal numbers of
  variance 1 / c and B (r, d) as zeros, so that it begins as the module.

  Attributes:
    module: the net.
    rank: of the updates, r; 0 for none.
    layers: regex of the layers that have one, searched in their paths.
    alpha: the updates' scale is alpha / r.
    frozen_norm: whether BatchNorm uses its running moments in training too, and
      leaves them as they are.
  """

  module: nn.Module
  rank: int = 0
  layers: str = r"."
  alpha: float = 1.0
  frozen_norm: bool = False

  @property
  def num_classes(self) -> int:
    """The module's number of classes."""
    return getattr(self.module, "num_classes", 0)

  def init(self, key: Array, *inputs: Any, **options: Any) -> dict[str, Any]:
    """Returns the module's variables, with A and B beside its kernels.

    Raises:
      UserError: if the regex finds no linear layer.
    """
    variables = dict(self.module.init(key, *inputs, **options))
    if not self.rank:
      return variables
    flat = traverse_util.flatten_dict(variables["params"])
    added = dict(self._updates(key, flat))
    if not added:
      linear = [path[:-1] for path, x in flat.items() if _linear(path, x)]
      raise UserError(
        f"lora: {self.layers!r} finds no linear layer of "
        f"{', '.join('/'.join(x) for x in linear) or 'this net'}; expected a "
        "regex that does."
      )
    params = traverse_util.unflatten_dict(flat | added)
    return variables | {"params": params}

  def apply(self, variables: Mapping[str, Any], *args: Any, **options: Any):
    """Applies the module with the updated kernels, as its `apply` does."""
    params = merged(variables["params"], self._scale)
    variables = {**variables, "params": params}
    if not self.frozen_norm:
      return self.module.apply(variables, *args, **options)
    with nn.intercept_methods(_with_running_moments):
      return self.module.apply(variables, *args, **options)

  def plain(self, params: Mapping[str, Any]) -> tuple[nn.Module, Any]:
    """Returns the module by itself, and its parameters with the updates in."""
    return self.module, merged(params, self._scale)

  @property
  def _scale(self) -> float:
    return self.alpha / max(self.rank, 1)

  def _updates(
    self, key: Array, flat: Mapping[tuple[str, ...], Array]
  ) -> Iterator[tuple[tuple[str, ...], Array]]:
    for number, (path, kernel) in enumerate(flat.items()):
      layer = "/".join(path[:-1])
      if not _linear(path, kernel) or not re.search(self.layers, layer):
        continue
      c, d = kernel.shape
      own = jax.random.fold_in(key, number)
      yield (*path[:-1], A), jax.random.normal(own, (c, self.rank)) / c**0.5
      yield (*path[:-1], B), jnp.zeros((self.rank, d))


def merged(params: Mapping[str, Any], scale: float) -> dict[str, Any]:
  """Returns a module's own parameters, the updates added to their kernels.

  Args:
    params: as `Adapted.init` gives them.
    scale: of the updates, alpha / rank.
  """
  flat = traverse_util.flatten_dict(dict(params))
  own = {path: x for path, x in flat.items() if path[-1] not in (A, B)}
  for path in flat:
    if path[-1] == A:
      update = flat[path] @ flat[*path[:-1], B]
      kernel = (*path[:-1], "kernel")
      own[kernel] = flat[kernel] + scale * update
  return traverse_util.unflatten_dict(own)


def _linear(path: tuple[str, ...], x: Array) -> bool:
  return path[-1] == "kernel" and x.ndim == 2


def _with_running_moments(method, args, kwargs, context):
  """Calls every BatchNorm as in evaluation."""
  norm = isinstance(context.module, BatchNorm)
  if norm and context.method_name == "__call__":
    kwargs = {**kwargs, "train": False}
  return method(*args, **kwargs)
