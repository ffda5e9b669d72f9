"""Parameters and floating-point operations, without running or allocating."""

import collections
import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from vision_jax.forms.choice import use_forms

# Forms that have as many products as the operation: others add up shifted
# images, or multiply zeros.
COUNTED = {"grouped": "convolution", "depthwise": "convolution"}


def parameters(model: nn.Module, shape: Sequence[int]) -> int:
  """Returns the number of parameters, for inputs of a shape (b, h, w, c).

  BatchNorm's running moments are no parameters, as everywhere.
  """
  init, args = initialisation(model, shape)
  return _size(jax.eval_shape(init, *args)[1])


def forward_cost(model: nn.Module, shape: Sequence[int]) -> tuple[int, int]:
  """Returns the parameters, and the FLOPs of a forward pass (train=False).

  The FLOPs, see `flops`, are of the whole batch (b, h, w, c).
  """
  init, args = initialisation(model, shape)
  # Initialising runs the model once; drawing parameters multiplies nothing.
  with use_forms(**COUNTED):
    jaxpr, out = jax.make_jaxpr(init, return_shape=True)(*args)
  return _size(out[1]), _count(jaxpr.jaxpr)


def initialisation(
  model: nn.Module, shape: Sequence[int]
) -> tuple[Callable[..., Any], tuple[Any, ...]]:
  """Returns init(key, x) -> (outputs, variables), and shapes for it."""
  key = jax.eval_shape(lambda: jax.random.key(0))
  x = jax.ShapeDtypeStruct(tuple(shape), jnp.float32)

  def init(key, x):
    keys = dict.fromkeys(("params", "dropout"), key)
    return model.init_with_output(keys, x, train=False)

  return init, (key, x)


def _size(variables) -> int:
  leaves = jax.tree.leaves(variables["params"])
  return sum(math.prod(leaf.shape) for leaf in leaves)


def flops(fn: Callable[..., Any], *args: Any) -> int:
  """Returns the FLOPs of fn(*args): *two* for each multiply-add.

  Counts matrix products and convolutions in what `fn` traces to, which is what
  "GMACs" (half of this) in papers and torchvision's tables count, and what a
  model-FLOPs utilization divides. It does not depend on backend, compiler or
  layer forms. Products with a convolution's zero padding count, as they do
  there; those with the zeros of a strided convolution's gradient do not. A
  scan counts its length; a branch the dearer one; a `while` loop one turn, for
  its number of turns is not known; one shard's work under shard_map.

  Args:
    fn: a function of arrays, for example a forward pass or a gradient.
    *args: arrays, or `jax.ShapeDtypeStruct`s of them: nothing is computed.
  """
  with use_forms(**COUNTED):
    return _count(jax.make_jaxpr(fn)(*args).jaxpr)


def flops_by(
  jaxpr: Any, owner: Callable[[Any], Hashable], outer: Hashable = None
) -> collections.Counter:
  """Returns the FLOPs of a program, see `flops`, by who owns them.

  Args:
    jaxpr: the program.
    owner: equation -> its owner; None where that is the owner of the loop, the
      branch or the call around it.
    outer: the owner of what is in none of those and has none itself.
  """
  counts = collections.Counter()
  for equation in jaxpr.eqns:
    who = owner(equation)
    who = outer if who is None else who
    name, times = equation.primitive.name, 1
    if name in _COSTS:
      counts[who] += _COSTS[name](equation)
      continue
    inner = [flops_by(part, owner, who) for part in _inner(equation.params)]
    if name == "cond":
      inner = [max(inner, key=collections.Counter.total)]
    elif name == "scan":
      times = equation.params["length"]
    for part in inner:
      counts.update({key: times * value for key, value in part.items()})
  return counts


def _count(jaxpr: Any) -> int:
  return flops_by(jaxpr, lambda equation: None).total()


def _inner(params: dict[str, Any]) -> Iterator[Any]:
  """The programs within an equation (loops, branches, calls)."""
  for value in params.values():
    for item in value if isinstance(value, tuple | list) else (value,):
      item = getattr(item, "jaxpr", item)
      if hasattr(item, "eqns"):
        yield item


def _attention(equation: Any) -> int:
  """The FLOPs of one product of (b, q, m, d) and (b, l, m, d)."""
  query, key = (v.aval.shape for v in equation.invars[:2])
  return 2 * math.prod(query) * key[1]


def _dot(equation: Any) -> int:
  (contracted, _), _ = equation.params["dimension_numbers"]
  left = equation.invars[0].aval.shape
  out = equation.outvars[0].aval.shape
  return 2 * math.prod(out) * math.prod(left[i] for i in contracted)


def _convolution(equation: Any) -> int:
  left, kernel = (v.aval.shape for v in equation.invars[:2])
  out = equation.outvars[0].aval.shape
  numbers = equation.params["dimension_numbers"]
  taps = math.prod(kernel) // kernel[numbers.rhs_spec[0]]
  places = math.prod(out)
  if math.prod(equation.params["lhs_dilation"]) > 1:
    # Each input pixel, not each of the zeros between them, meets each tap.
    places //= math.prod(out[i] for i in numbers.out_spec[2:])
    places *= math.prod(left[i] for i in numbers.lhs_spec[2:])
  return 2 * places * taps


_COSTS = {
  "dot_general": _dot,
  "conv_general_dilated": _convolution,
  # cuDNN's fused attention multiplies without saying so: two products forwards,
  # and the four that XLA's gradient has; what it computes again is not counted.
  "dot_product_attention_fwd_wrapper": lambda e: 2 * _attention(e),
  "dot_product_attention_bwd_wrapper": lambda e: 4 * _attention(e),
}
