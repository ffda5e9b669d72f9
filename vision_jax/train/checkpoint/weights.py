"""Starting from other weights: parameters and statistics, nothing else."""

from collections.abc import Sequence

import jax
import numpy as np
from etils import epath

from vision_jax.core.types import Variables
from vision_jax.errors import UserError
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

Best = tuple[str, str] | None
TRIED = 16  # steps at most, where several processes go through them
FIX = (
  "give weights of this very model, or set the config's model to the one that "
  "these weights are of."
)


def restore_weights(
  path: epath.PathLike,
  like: Variables,
  *,
  which: str | int = "latest",
  weights: str = "raw",
  best: Best = ("val/accuracy", "max"),
) -> Variables:
  """Reads parameters and statistics alone; the rest is not even read.

  Args:
    path: a workdir, its `checkpoints` folder, one step's folder in it, or a
      .safetensors file with names like params/NET/conv1/kernel and
      stats/NET/norm1/mean (ema/params/NET/... for averaged ones).
    like: (params, stats) of the model: arrays, or `jax.ShapeDtypeStruct` with
      shardings. A dtype that differs is cast.
    which: "latest", "best" or a step, where there is a choice. A newest one
      that cannot be read is skipped for the one before, with a warning.
    weights: "raw", or "ema" for averages of the nets that have them.
    best: (metric, "max" or "min") that "best" goes by.

  Returns:
    (params, stats) in the containers and shardings of `like`.

  Raises:
    CheckpointMismatch: if shapes or names differ; the message lists them. Or
      if there are no averages.
    CheckpointError: if there is nothing to read there.
  """
  if weights not in ("raw", "ema"):
    raise UserError(f"weights: got {weights!r}; expected 'raw' or 'ema'.")
  path = epath.Path(path)
  if path.suffix == ".safetensors":
    return _take(path, StoredFile(path), like, weights)
  _, found = read_weights(path, like, which=which, kinds=(weights,), best=best)
  return found[weights]


def read_weights(
  path: epath.PathLike,
  like: Variables,
  *,
  which: str | int,
  kinds: Sequence[str],
  best: Best,
) -> tuple[int, dict[str, Variables]]:
  """Returns a step and its weights of several kinds, all of that step.

  Every process reads the same step.

  Args:
    path: a workdir, its `checkpoints` folder or one step's folder in it.
    like: as for `restore_weights`, which says what it raises too.
    which: "latest", "best" or a step.
    kinds: "raw", "ema" or both.
    best: (metric, "max" or "min") that "best" goes by.
  """
  quiet_orbax()
  read = lambda: _read_step(epath.Path(path), like, which, kinds, best)
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
  like: Variables,
  which: str | int,
  kinds: Sequence[str],
  best: Best,
) -> tuple[int, dict[str, Variables]]:
  if (path / "state").exists():
    folder, steps = path.parent, [path.name]
  else:
    folder, steps = _find_steps(path, which, best)

  def read(step):
    where = folder / str(step)
    state = StoredState(where)
    take = lambda kind: _take(where, state, like, kind)
    return int(step), {kind: take(kind) for kind in kinds}

  return first_readable(folder, steps, read)[0]


def _take(
  where: epath.Path,
  source: Stored,
  like: Variables,
  weights: str,
) -> Variables:
  """Reads what `like` needs from an opened checkpoint or file."""
  have = source.tree
  if weights == "ema" and not any(p[:2] == ("ema", "params") for p in have):
    raise CheckpointMismatch(
      f"{where} has no averaged weights; got weights='ema'. Fix: use 'raw'."
    )
  both = {"params": like[0], "stats": like[1]}
  wanted = tree.named(both)
  names = {p: (p if weights == "raw" else _average(p, have)) for p in wanted}
  found = {p: x for p, x in have.items() if p[0] in ("params", "stats")}
  found |= {p: have[name] for p, name in names.items() if name in have}
  tree.check_same(found, wanted, where=where, fix=FIX, dtypes=False)
  got = source.read({names[p]: x for p, x in wanted.items()})
  both = tree.from_stored(both, {p: got[names[p]] for p in wanted})
  return both["params"], both["stats"]


def _average(path: Path, have: Tree) -> Path:
  """The path of the average of a leaf, or `path` if its net has none."""
  kind, net = path[:2]
  averaged = any(p[:3] == ("ema", kind, net) for p in have)
  return ("ema", *path) if averaged else path


def _find_steps(
  path: epath.Path, which: str | int, best: Best
) -> tuple[epath.Path, list[int]]:
  """The folder of checkpoints in a workdir, and the steps to try in it."""
  folder = path / "checkpoints"
  folder = folder if folder.exists() else path
  if not folder.exists() or not any(p.name.isdigit() for p in folder.iterdir()):
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
