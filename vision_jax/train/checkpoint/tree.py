"""A pytree as named leaves: how checkpoints store, compare and restore one.

A tree is stored as nested dicts of strings, whatever its containers are, so
that a checkpoint can be read by anyone and does not depend on the class of a
state or on the version of the library that defined it.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax

from vision_jax.train.checkpoint.errors import CheckpointMismatch

Path = tuple[str, ...]
SHOWN = 10  # differences that a message lists before it only counts them


def named(tree: Any) -> dict[Path, Any]:
  """Returns the leaves of any pytree by path: ("params", "model", "bias")."""
  leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
  return {
    tuple(jax.tree_util.keystr((key,), simple=True) for key in path): leaf
    for path, leaf in leaves
  }


def nest(leaves: Mapping[Path, Any]) -> dict[str, Any]:
  """Returns nested dicts of named leaves: the form in which one is stored."""
  tree = {}
  for path, leaf in leaves.items():
    node = tree
    for part in path[:-1]:
      node = node.setdefault(part, {})
    node[path[-1]] = leaf
  return tree


def is_key(leaf: Any) -> bool:
  """Whether a leaf holds typed PRNG keys."""
  return jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def stored(leaf: Any) -> jax.ShapeDtypeStruct:
  """What `leaf` is on the disk: shape, dtype and sharding, if it has one."""
  shape = jax.eval_shape(jax.random.key_data, leaf) if is_key(leaf) else leaf
  sharding = getattr(leaf, "sharding", None)
  return jax.ShapeDtypeStruct(shape.shape, shape.dtype, sharding=sharding)


def to_stored(tree: Any) -> dict[str, Any]:
  """Returns the nested dicts in which `tree` is stored, keys as numbers."""
  return nest(
    {
      path: jax.random.key_data(leaf) if is_key(leaf) else leaf
      for path, leaf in named(tree).items()
    }
  )


def from_stored(target: Any, leaves: Mapping[Path, Any]) -> Any:
  """Returns stored leaves in the containers of `target`, keys as keys.

  Args:
    target: any pytree of arrays or their shapes.
    leaves: arrays by path, for every path of `target`.
  """
  arrays = [
    jax.random.wrap_key_data(leaves[path], impl=_key_impl(leaf))
    if is_key(leaf)
    else leaves[path]
    for path, leaf in named(target).items()
  ]
  return jax.tree.unflatten(jax.tree.structure(target), arrays)


def _key_impl(leaf: Any) -> Any:
  """The kind of keys in `leaf`, which may be a shape without values."""
  kinds = []
  jax.eval_shape(lambda key: kinds.append(jax.random.key_impl(key)), leaf)
  return kinds[0]


def text(leaf: Any) -> str:
  """A leaf as a message shows it: float32[3,3,16,32]."""
  return f"{leaf.dtype}[{','.join(map(str, leaf.shape))}]"


def differences(
  got: Mapping[Path, Any],
  expected: Mapping[Path, Any],
  same: Callable[[Any, Any], bool],
) -> list[str]:
  """Returns a line for each leaf that `got` lacks, adds or has otherwise."""
  lines = []
  for path in sorted({*got, *expected}):
    name = "/".join(path)
    if path not in got:
      lines.append(f"{name}: absent, expected {text(expected[path])}")
    elif path not in expected:
      lines.append(f"{name}: got {text(got[path])}, expected none")
    elif not same(got[path], expected[path]):
      lines.append(
        f"{name}: got {text(got[path])}, expected {text(expected[path])}"
      )
  return lines


def check_same(
  got: Mapping[Path, Any],
  expected: Mapping[Path, Any],
  *,
  where: Any,
  fix: str,
  dtypes: bool = True,
):
  """Raises CheckpointMismatch unless both trees have the same leaves.

  Args:
    got: what the checkpoint holds, as `named` gives it.
    expected: what the run needs.
    where: the checkpoint, for the message.
    fix: what the user can do about it.
    dtypes: whether a dtype counts too; otherwise it may be cast.
  """
  expected = {path: stored(leaf) for path, leaf in expected.items()}
  same = lambda a, b: (
    tuple(a.shape) == tuple(b.shape) and (not dtypes or a.dtype == b.dtype)
  )
  lines = differences(got, expected, same)
  if not lines:
    return
  more = len(lines) - SHOWN
  shown = "\n  ".join(lines[:SHOWN]) + (f"\n  and {more} more" * (more > 0))
  raise CheckpointMismatch(
    f"{where} does not fit this model: {len(lines)} of "
    f"{len({*got, *expected})} leaves differ.\n  {shown}\nFix: {fix}"
  )
