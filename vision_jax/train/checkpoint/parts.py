"""Weights of a part of a net, which another net, or a part of one, has."""

import difflib
from collections.abc import Iterable

import jax

from vision_jax.core.types import Variables
from vision_jax.errors import UserError
from vision_jax.train.checkpoint import tree
from vision_jax.train.checkpoint.errors import CheckpointMismatch
from vision_jax.train.checkpoint.tree import Path, Tree
from vision_jax.train.checkpoint.weights import (
  KINDS,
  places,
  read_leaves,
  read_source,
)
from vision_jax.weights import Weights

FIRST = "model"  # the net where a part of its own name is not there
SHOWN = 5  # modules that a line names before it only counts them


def restore_part(
  source: Weights, part: str, like: Variables
) -> tuple[Variables, str]:
  """Reads every weight and statistic of a part of some nets.

  Args:
    source: where they are, and as which part of what is there.
    part: "NET" or "NET/MODULE/..."; "" is all nets, but for heads with other
      classes: leaves that differ in the size of their last axis alone, all of
      them from one number to another, so that nothing takes in what they give.
      These stay as they are in `like`.
    like: (params, stats) of the nets, as for `read_weights`.

  Returns:
    `like` with the leaves read, and a line that says what was taken, what
    is new, and what of the source was left.

  Raises:
    UserError: if `like` has no such part.
    CheckpointMismatch: if the source has none, or other leaves; it lists them.
  """
  wanted = tree.named(dict(zip(KINDS, like, strict=True)))
  own = _members(wanted, part, "start: the nets have")

  def take(where, stored):
    if getattr(stored, "foreign", False):
      stored = stored.named(*_module(wanted, part), source.layout)
    names = places(where, stored.tree, source.weights)
    other = source.part or (part if _within(names, part) else FIRST)
    have = _members(names, other, f"{where} has")
    here = {leaf: wanted[p] for leaf, p in own.items()}
    there = {leaf: stored.tree[names[p]] for leaf, p in have.items()}
    new = set() if part else _heads(there, here)
    new |= {x for x in here.keys() - there.keys() if x[-1].startswith("lora_")}
    shared = {leaf: x for leaf, x in there.items() if leaf in here.keys() - new}
    here = {leaf: x for leaf, x in here.items() if leaf not in new}
    fix = f"give weights of {part or 'this very model'}{_near(here, there)}."
    tree.check_same(shared, here, where=where, fix=fix, dtypes=False)
    read = {own[leaf]: names[have[leaf]] for leaf in here}
    line = f"{part or 'All nets'}: {len(here)} arrays as in {where}" + "".join(
      f"; {what} {_modules(leaves)}"
      for what, leaves in (("new:", new), ("left there:", have.keys() - own))
      if leaves
    )
    return read_leaves(stored, read, like), f"{line}."

  return read_source(source.path, take)[1]


def read_params(source: Weights, like: Variables) -> Variables:
  """Reads the parameters of one net that has no statistics, to one device.

  Args:
    source: where they are.
    like: the net's parameters, or their shapes.

  Raises:
    CheckpointMismatch: as `restore_part`.
  """
  here = jax.sharding.SingleDeviceSharding(jax.devices()[0])
  like = jax.tree.map(
    lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=here), like
  )
  (params, _), _ = restore_part(source, FIRST, ({FIRST: like}, {}))
  return params[FIRST]


def _module(wanted: Tree, part: str) -> tuple[dict[str, tuple], str]:
  """Returns the shapes of a part's leaves as a module by itself has them.

  And the net that a foreign file's arrays are of, by name.
  """
  inner = _members(wanted, part or FIRST, "start: the nets have")
  name = lambda leaf: "/".join(leaf if leaf[0] == KINDS[0] else leaf[1:])
  return {name(leaf): wanted[p].shape for leaf, p in inner.items()}, FIRST


def _within(leaves: Iterable[Path], part: str) -> dict[Path, Path]:
  """Returns leaf within a part -> its path; of part "" it is the path.

  A statistic's collection comes first: stats/model/batch_stats/backbone/norm
  is of the part model/backbone, and stats/batch_stats/norm in it.
  """
  net, *inner = part.split("/")
  found = {}
  for path in leaves:
    start = KINDS.index(path[0]) + 2
    own = path[start:]
    if path[1] == net and list(own[: len(inner)]) == inner:
      found[(path[0], *path[2:start], *own[len(inner) :])] = path
  return found if part else {path: path for path in leaves}


def _members(leaves: Iterable[Path], part: str, whose: str) -> dict[Path, Path]:
  """Returns the leaves of a part, of which there have to be some."""
  if found := _within(leaves, part):
    return found
  inner = [p[1:] for p in leaves if p[0] == "params"]
  known = {"/".join(p[:n]) for p in inner for n in range(1, len(p))}
  near = difflib.get_close_matches(part, sorted(known), 1, 0.0)
  error = UserError if whose.startswith("start") else CheckpointMismatch
  raise error(
    f"{whose} no part {part!r}; did you mean {near[0] if near else FIRST!r}? "
    f"Parts are nets ({', '.join(sorted({p[0] for p in inner}))}) and modules "
    "in them, NET/MODULE."
  )


def _near(here: Tree, there: Tree) -> str:
  """Says what there is most like the first leaf that is absent there."""
  if not (absent := sorted("/".join(x) for x in here.keys() - there.keys())):
    return ""
  names = ["/".join(leaf) for leaf in there]
  near = difflib.get_close_matches(absent[0], names, 1, 0.0)
  return f"; the nearest there to {absent[0]} is {near[0]}"


def _heads(there: Tree, here: Tree) -> set[Path]:
  """Returns the leaves of heads with other classes."""
  shapes = {p: (there[p].shape, x.shape) for p, x in here.items() if p in there}
  differ = {p: pair for p, pair in shapes.items() if pair[0] != pair[1]}
  sizes = {(a[-1:], b[-1:]) for a, b in differ.values()}
  params = all(path[0] == "params" for path in differ)
  last = params and all(a[:-1] == b[:-1] for a, b in differ.values())
  return set(differ) if last and len(sizes) == 1 else set()


def _modules(leaves: Iterable[Path]) -> str:
  names = sorted({"/".join(leaf[1:-1]) for leaf in leaves})
  more = f" and {len(names) - SHOWN} more" * (len(names) > SHOWN)
  return ", ".join(names[:SHOWN]) + more
