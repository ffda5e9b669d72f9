"""A checkpoint just written, read again: what cannot be read was not saved."""

from collections.abc import Iterator

import jax
import numpy as np

from vision_jax.core.state import TrainState
from vision_jax.train.checkpoint import tree
from vision_jax.train.checkpoint.checkpoints import Checkpoints
from vision_jax.train.checkpoint.errors import SaveError, reason
from vision_jax.train.checkpoint.reading import StoredState
from vision_jax.train.checkpoint.tree import Leaf, Path, Tree

GROUP = 2**28  # bytes that are on the devices a second time


def read_back(checkpoints: Checkpoints, step: int, state: TrainState) -> None:
  """Checks that a step's checkpoint can be read and holds the very state.

  Every process calls it, and compares the parts that it has.

  Args:
    checkpoints: those that have been asked to save the step.
    step: the step.
    state: what was saved.

  Raises:
    SaveError: if it cannot be read, or holds something else.
  """
  checkpoints.wait()
  where = checkpoints.folder / str(step)
  try:
    wrong = _differing(StoredState(where), tree.named(state))
  except Exception as error:
    raise SaveError(
      f"{where} was written and cannot be read back: {reason(error)}. Nothing "
      "that this run saves there would be of use. Fix: give another --workdir, "
      "on another disk or under a plain name."
    ) from error
  if wrong:
    raise SaveError(
      f"{where} was written and holds other values than the run: "
      f"{'/'.join(wrong[0])} and {len(wrong) - 1} more. Fix: give another "
      "--workdir, on another disk."
    )


def _differing(stored: StoredState, state: Tree) -> list[Path]:
  arrays = {
    path: jax.random.key_data(x) if tree.is_key(x) else x
    for path, x in state.items()
  }
  return [
    path
    for group in _groups(arrays)
    for path, x in stored.read(group).items()
    if not _same(x, arrays[path])
  ]


def _groups(arrays: Tree) -> Iterator[dict[Path, Leaf]]:
  """Yields arrays by path, so many that they take GROUP bytes, or one."""
  group, size = {}, 0
  for path, x in arrays.items():
    if group and size + x.nbytes > GROUP:
      yield group
      group, size = {}, 0
    group[path], size = x, size + x.nbytes
  if group:
    yield group


def _same(a: jax.Array, b: jax.Array) -> bool:
  """Whether this process's parts are equal, bit for bit."""
  parts = zip(a.addressable_shards, b.addressable_shards, strict=True)
  return all(
    np.asarray(x.data).tobytes() == np.asarray(y.data).tobytes()
    for x, y in parts
  )
