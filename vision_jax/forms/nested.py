"""Programs within a program: loops over a few parts, and what is due at times.

On a CPU XLA computes a convolution's gradients in a plain loop wherever they
are not in the outermost program: the weight's of 64 maps of 16x32x64 and a 3x3
kernel in 5.6 s in place of 0.06. There the flat form leaves no inner program.
"""

import operator
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from vision_jax.forms.choice import form


def scan(body: Callable[[Any, Any], tuple[Any, Any]], init: Any, xs: Any):
  """As `jax.lax.scan`, of few steps: flat, one step is written after another.

  Args:
    body: (carry, x) -> (carry, y).
    init: the first carry.
    xs: stacked along the first axis.

  Returns:
    The last carry, and each y, stacked.
  """
  if form("nested") == "program":
    return jax.lax.scan(body, init, xs)
  carry, ys, number = init, [], len(jax.tree.leaves(xs)[0])
  for i in range(number):
    carry, y = body(carry, _row(xs, i, carry))
    ys.append(y)
  return carry, jax.tree.map(lambda *y: jnp.stack(y), *ys)


def _row(xs: Any, i: int, last: Any) -> Any:
  """Returns row i of xs, which XLA cannot have before what is last is there.

  All steps would otherwise be begun at once, and hold their memory. (An
  optimization barrier is gone before a CPU's steps are put in order.) Whatever
  is last, its numbers change nothing: an index beyond the rows is the last one.
  """
  if not i:
    return jax.tree.map(operator.itemgetter(0), xs)
  firsts = [leaf.ravel()[0] for leaf in jax.tree.leaves(last) if leaf.size]
  beyond = jnp.isnan(sum(jnp.float32(x) for x in firsts)).astype(jnp.int32)
  row = lambda x: jax.lax.dynamic_index_in_dim(x[: i + 1], i + beyond, 0, False)
  return jax.tree.map(row, xs)


def when(
  due: jax.Array,
  value: Callable[[], jax.Array],
  otherwise: Callable[[], jax.Array],
) -> jax.Array:
  """Returns value() where it is due, else otherwise(), of the same shape.

  Flat, both are computed and one is chosen.

  Args:
    due: one bool.
    value: what may have convolutions, and derivatives.
    otherwise: what does not take long.
  """
  if form("nested") == "flat":
    return jnp.where(due, value(), otherwise())
  return jax.lax.cond(due, value, otherwise)
