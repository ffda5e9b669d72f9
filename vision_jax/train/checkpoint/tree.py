"""A pytree as a mapping by path: how checkpoints store and restore one.

A tree is stored as nested dicts of strings, whatever its containers are, so
that a checkpoint can be read by anyone and does not depend on the class of a
state or on the version of the library that defined it.
"""

from collections.abc import Hashable, Mapping
from typing import Any, TypeVar

import jax
from etils import epath
from flax import traverse_util

from vision_jax.train.checkpoint.errors import CheckpointMismatch

T = TypeVar("T")
Path = tuple[str, ...]
Leaf = jax.Array | jax.ShapeDtypeStruct
Tree = Mapping[Path, Leaf]
SHOWN = 10  # differences that a message lists before it only counts them


def named(tree: Any) -> dict[Path, Leaf]:
  """Returns any pytree as a mapping by path: ("params", "model", "bias")."""
  leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
  return {
    tuple(jax.tree_util.keystr((key,), simple=True) for key in path): leaf
    for path, leaf in leaves
  }


def is_key(leaf: Leaf) -> bool:
  """Whether an array holds typed PRNG keys."""
  return jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def stored(leaf: Leaf) -> jax.ShapeDtypeStruct:
  """What `leaf` is on the disk: shape, dtype and sharding, if it has one."""
  shape = jax.eval_shape(jax.random.key_data, leaf) if is_key(leaf) else leaf
  sharding = getattr(leaf, "sharding", None)
  return jax.ShapeDtypeStruct(shape.shape, shape.dtype, sharding=sharding)


def to_stored(tree: Any) -> dict[str, Any]:
  """Returns the nested dicts in which `tree` is stored, keys as numbers."""
  return traverse_util.unflatten_dict(
    {
      path: jax.random.key_data(leaf) if is_key(leaf) else leaf
      for path, leaf in named(tree).items()
    }
  )


def apart(arrays: T) -> T:
  """Returns arrays that stay as they are when a step is given the originals.

  On a CPU what is saved would be the arrays' own memory, for which the next
  step waits until all of it is written: there they are copied.
  """
  if jax.default_backend() != "cpu":
    return arrays
  places = jax.tree.map(lambda x: x.sharding, arrays)
  return jax.device_put(arrays, places, may_alias=False)


def from_stored(like: T, values: Tree) -> T:
  """Returns stored values in the containers of `like`, keys as keys.

  Args:
    like: any pytree of arrays or their shapes.
    values: arrays by path, for every path of `like`.
  """
  arrays = [
    jax.random.wrap_key_data(values[path], impl=_key_impl(leaf))
    if is_key(leaf)
    else values[path]
    for path, leaf in named(like).items()
  ]
  return jax.tree.unflatten(jax.tree.structure(like), arrays)


def _key_impl(leaf: Leaf) -> Hashable:
  """The kind of keys in `leaf`, which may be a shape without values."""
  kinds = []
  jax.eval_shape(lambda key: kinds.append(jax.random.key_impl(key)), leaf)
  return kinds[0]


def check_same(
  got: Tree,
  expected: Tree,
  *,
  where: epath.Path,
  fix: str,
  dtypes: bool = True,
) -> None:
  """Raises CheckpointMismatch unless both trees have the same arrays.

  Args:
    got: what the checkpoint holds, as `named` gives it.
    expected: what the run needs.
    where: the checkpoint, for the message.
    fix: what the user can do about it.
    dtypes: whether a dtype counts too; otherwise it may be cast.
  """
  lines = []
  for path in sorted({*got, *expected}):
    wanted = stored(expected[path]) if path in expected else None
    if difference := _difference(got.get(path), wanted, dtypes):
      lines.append(f"{'/'.join(path)}: {difference}")
  if not lines:
    return
  more = len(lines) - SHOWN
  shown = "\n  ".join(lines[:SHOWN]) + (f"\n  and {more} more" * (more > 0))
  raise CheckpointMismatch(
    f"{where} does not fit this model: {len(lines)} of "
    f"{len({*got, *expected})} arrays differ.\n  {shown}\nFix: {fix}"
  )


def _difference(got: Leaf | None, expected: Leaf | None, dtypes: bool) -> str:
  """Returns how an array differs; "" where it does not."""
  if got is None:
    return f"absent, expected {_text(expected)}"
  if expected is None:
    return f"got {_text(got)}, expected none"
  same = tuple(got.shape) == tuple(expected.shape)
  if same and (got.dtype == expected.dtype or not dtypes):
    return ""
  return f"got {_text(got)}, expected {_text(expected)}"


def _text(leaf: Leaf) -> str:
  """An array as a message shows it: float32[3,3,16,32]."""
  return f"{leaf.dtype}[{','.join(map(str, leaf.shape))}]"
