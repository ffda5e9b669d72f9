"""Starting from other weights: parameters and statistics, nothing else."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import jax
import numpy as np
from etils import epath

from vision_jax import paths
from vision_jax.core.types import Variables
from vision_jax.interop import places as places_of
from vision_jax.train.checkpoint import tree
from vision_jax.train.checkpoint.checkpoints import Checkpoints
from vision_jax.train.checkpoint.errors import (
  CheckpointError,
  CheckpointMismatch,
)
from vision_jax.train.checkpoint.quiet import quiet_orbax
from vision_jax.train.checkpoint.reading import (
  Stored,
  StoredFile,
  StoredState,
  first_readable,
)
from vision_jax.train.checkpoint.tree import Path, Tree

T = TypeVar("T")
Best = tuple[str, str] | None
KINDS = ("params", "stats")
TRIED = 16  # steps at most, where several processes go through them
FIX = (
  "give weights of this very model, or set the config's model to the one that "
  "these weights are of."
)


def read_weights(
  path: epath.PathLike,
  like: Variables,
  *,
  which: str | int = "latest",
  kinds: Sequence[str] = ("raw",),
  best: Best = None,
) -> tuple[int | None, dict[str, Variables]]:
  """Reads parameters and statistics alone; the rest is not even read.

  Args:
    path: as for `read_source`, which says what it raises too.
    like: (params, stats) of the model: arrays, or `jax.ShapeDtypeStruct` with
      shardings. A dtype that differs is cast.
    which: "latest", "best" or a step.
    kinds: "raw", or "ema" for averages of the nets that have them, or both.
    best: (metric, "max" or "min") that "best" goes by.

  Returns:
    A step (None of a file), and of each kind (params, stats) of that step, in
    the containers and shardings of `like`.

  Raises:
    CheckpointMismatch: if shapes or names differ; the message lists them. Or
      if there are no averages.
  """
  take = lambda where, source: {
    kind: _take(where, source, like, kind) for kind in kinds
  }
  return read_source(path, take, which=which, best=best)


def read_source(
  path: epath.PathLike,
  take: Callable[[epath.Path, Stored], T],
  *,
  which: str | int = "latest",
  best: Best = None,
) -> tuple[int | None, T]:
  """Returns a step and what is taken of it, or None and what of a file.

  Every process reads the same step.

  Args:
    path: a workdir, its `checkpoints` folder, one step's folder in it, or a
      file: with names like params/NET/conv1/kernel and stats/NET/norm1/mean
      (ema/params/NET/... for averaged ones), or one of others' (`interop`).
    take: (where, its arrays) -> anything.
    which: "latest", "best" or a step, where there is a choice. A newest one
      that cannot be read is skipped for the one before, with a warning.
    best: (metric, "max" or "min") that "best" goes by.

  Raises:
    CheckpointError: if there is nothing to read there.
  """
  path = epath.Path(paths.absolute(os.fspath(path)))  # as orbax needs it
  if places_of.holds_tensors(path):
    return None, take(path, StoredFile(path))
  quiet_orbax()
  read = lambda: _read_step(path, take, which, best)
  try:
    return read()
  except CheckpointMismatch:
    raise
  except CheckpointError:  # a run that goes on may just have replaced it
    if jax.process_count() > 1:  # the others may have read it
      raise
    return read()


def _read_step(
  path: epath.Path,
  take: Callable[[epath.Path, Stored], T],
  which: str | int,
  best: Best,
) -> tuple[int, T]:
  if (path / "state").exists():
    folder, steps = path.parent, [path.name]
  else:
    folder, steps = _find_steps(path, which, best)

  def read(step):
    where = folder / str(step)
    return int(step), take(where, StoredState(where))

  return first_readable(folder, steps, read)[0]


def _take(
  where: epath.Path,
  source: Stored,
  like: Variables,
  weights: str,
) -> Variables:
  """Reads what `like` needs from an opened checkpoint or file."""
  names = places(where, source.tree, weights)
  wanted = tree.named(dict(zip(KINDS, like, strict=True)))
  found = {
    p: source.tree[name]
    for p, name in names.items()
    if p in wanted or p in source.tree  # not a net that only follows
  }
  tree.check_same(found, wanted, where=where, fix=FIX, dtypes=False)
  return read_leaves(source, {p: names[p] for p in wanted}, like)


def places(where: epath.Path, have: Tree, weights: str) -> dict[Path, Path]:
  """Returns where the leaves of all nets are: params/NET/... -> path.

  Args:
    where: the checkpoint, for the message.
    have: what it holds.
    weights: "raw", or "ema" for averages of the nets that have them. Nets that
      follow others are among both.

  Raises:
    CheckpointMismatch: if there are no averages.
  """
  if weights not in ("raw", "ema"):
    raise CheckpointMismatch(
      f"weights: got {weights!r}; expected 'raw' or 'ema'."
    )
  own = {p: p for p in have if p[0] in KINDS}
  nets = {p[1] for p in own}
  averages = {p[1:]: p for p in have if p[0] == "ema" and p[1] in KINDS}
  if weights == "raw":
    return own | {p: x for p, x in averages.items() if p[1] not in nets}
  if not any(p[1] in nets for p in averages):
    raise CheckpointMismatch(
      f"{where} has no averaged weights; got weights='ema'. Fix: use 'raw'."
    )
  averaged = {p[:2] for p in averages}
  return {p: x for p, x in own.items() if p[:2] not in averaged} | averages


def read_leaves(
  source: Stored, names: Mapping[Path, Path], like: Variables
) -> Variables:
  """Returns `like` with some of its leaves read.

  Args:
    source: has them.
    names: path of a leaf, from params or stats on -> its path in the source.
    like: (params, stats), whose shardings and dtypes the leaves have.
  """
  both = dict(zip(KINDS, like, strict=True))
  leaves = tree.named(both)
  got = source.read({name: leaves[p] for p, name in names.items()})
  both = tree.from_stored(
    both, leaves | {p: got[name] for p, name in names.items()}
  )
  return both["params"], both["stats"]


def has_steps(folder: epath.Path) -> bool:
  """Whether a folder has checkpoints, readable or not."""
  return folder.exists() and any(p.name.isdigit() for p in folder.iterdir())


def _find_steps(
  path: epath.Path, which: str | int, best: Best
) -> tuple[epath.Path, list[int]]:
  """The folder of checkpoints in a workdir, and the steps to try in it."""
  folder = path / "checkpoints"
  folder = folder if folder.exists() else path
  if not has_steps(folder):
    raise CheckpointError(
      f"no weights at {path}: expected a workdir with checkpoints, a "
      "checkpoint's folder or a .safetensors file."
    )
  with Checkpoints(folder, best=best, read_only=True) as checkpoints:
    step = checkpoints.find(which)
    found = checkpoints.steps[::-1] if which == "latest" else [step]
  return folder, _of_first_process(found)


def _of_first_process(steps: Sequence[int]) -> list[int]:
  """The steps that process 0 has found, of a run that may save meanwhile."""
  if jax.process_count() == 1:
    return list(steps)
  from jax.experimental import multihost_utils

  padded = np.full(TRIED, -1, np.int32)
  padded[: len(steps[:TRIED])] = steps[:TRIED]
  found = multihost_utils.broadcast_one_to_all(padded)
  return [int(step) for step in found if step >= 0]
