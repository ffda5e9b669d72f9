"""New statistics of a net, of a batch that comes in parts.

An objective sees a microbatch on one shard. What it gives as `Mean` or `Rows`
waits until the whole batch has been seen: it is the same however that is split.
All else passes from one microbatch to the next, and has to be the same on every
shard, as BatchNorm's is.
"""

import operator
from typing import Any

import jax
import jax.numpy as jnp

from vision_jax.core.mapped import add_shards, gather_shards
from vision_jax.core.types import Array, Mean, Nets, Rows


def split(net: str, new: Nets, given: Nets) -> tuple[Nets, Any]:
  """Returns statistics for the next microbatch, and those of this one alone.

  Args:
    net: the objective's own.
    new: what it returned, of all nets or of some.
    given: what it was given.

  Raises:
    ValueError: for other names than it was given, or new ones of another net.
  """
  for name in sorted(set(new) - {net}):
    pairs = jax.tree.leaves(new[name]), jax.tree.leaves(given.get(name))
    same = len(pairs[0]) == len(pairs[1]) and all(map(operator.is_, *pairs))
    if not same:
      raise ValueError(
        f"stats: the objective of the net {net!r} returned new ones of "
        f"{name!r}, which would be lost: a step keeps those of the objective's "
        "own net. Return the others as they were given, or leave them out."
      )
  old = given.get(net, {})
  own = new.get(net, old)
  names = [jax.tree.structure(x, is_leaf=_is_part) for x in (own, old)]
  if names[0] != names[1]:
    raise ValueError(f"stats of {net!r}: got {names[0]}; expected {names[1]}.")
  passed = jax.tree.map(lambda x, y: x if _is_part(y) else y, old, own)
  parts = jax.tree.map(lambda x, y: y if _is_part(y) else None, old, own)
  return {net: passed} if net in given else {}, parts


def joined(net: str, old: Nets, new: Nets, parts: Any) -> Nets:
  """Returns the statistics of all nets after the batch.

  Args:
    net: whose are new.
    old: those before.
    new: those that passed through the microbatches.
    parts: those of each microbatch, (microbatches, ...).

  Raises:
    ValueError: for a shape or type that is not the one before.
  """
  if net not in old:
    return old
  trees = ({net: x} for x in (old[net], new[net], parts))
  return {**old, **jax.tree_util.tree_map_with_path(_joined, *trees)}


def _is_part(x: Any) -> bool:
  return isinstance(x, Mean | Rows)


def _joined(
  path: Any, old: Array, new: Array, part: Mean | Rows | None
) -> Array:
  """Returns one array of the statistics after the batch."""
  if isinstance(part, Mean):
    part = add_shards(jax.tree.map(lambda x: jnp.sum(x, 0), part))
    new = _checked(path, part.divide(), old.shape, old.dtype)
    return jnp.where(part.count == 0, old, new)
  if isinstance(part, Rows):
    flat = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), part)
    rows, index = gather_shards(flat)
    _checked(path, rows, (len(rows), *old.shape[1:]), old.dtype)
    return jnp.concatenate([old, rows[jnp.argsort(index)]])[-len(old) :]
  return _checked(path, jnp.asarray(new), old.shape, old.dtype)


def _checked(path: Any, x: Array, shape: tuple[int, ...], dtype: Any) -> Array:
  if (x.shape, x.dtype) != (shape, dtype):
    name = jax.tree_util.keystr(path, simple=True, separator="/")
    raise ValueError(
      f"stats: got {name}, {x.dtype} {x.shape}; expected {dtype} {shape}, for "
      "what the task's init gives."
    )
  return x
