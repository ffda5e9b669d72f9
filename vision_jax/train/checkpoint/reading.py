"""Reads the arrays of a checkpoint or a file, all of them or some."""

import logging
from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

import jax
from etils import epath
from flax import traverse_util

from vision_jax.errors import UserError
from vision_jax.interop import files, foreign
from vision_jax.interop.rules import Shapes
from vision_jax.interop.tensors import Tensors
from vision_jax.train.checkpoint import tree
from vision_jax.train.checkpoint.errors import (
  CheckpointError,
  CheckpointMismatch,
  reason,
)
from vision_jax.train.checkpoint.tree import Path, Tree

_LOG = logging.getLogger(__name__)

T = TypeVar("T")
OURS = ("params", "stats", "ema")  # what our own names begin with


class Stored(Protocol):
  """Arrays that are kept somewhere, by path: "params", "model", ..., "bias".

  Attributes:
    tree: what is there: arrays, or their shapes and dtypes.
  """

  tree: Tree

  def read(self, wanted: Tree) -> dict[Path, jax.Array]:
    """Returns the wanted arrays by path, typed keys as their numbers.

    Args:
      wanted: path -> array or shape, whose dtype and sharding the result has.
    """


class StoredState(Stored):
  """The arrays of one step, none of which is read before `read`."""

  def __init__(self, step_folder: epath.Path):
    """Reads names and shapes.

    Raises:
      CheckpointError: if the folder holds no state.
      Exception: of many kinds, if it is damaged.
    """
    import orbax.checkpoint as ocp

    self._folder = step_folder / "state"
    self._reader = ocp.Checkpointer(ocp.PyTreeCheckpointHandler())
    metadata = self._reader.metadata(self._folder).item_metadata
    if metadata is None:
      raise CheckpointError(f"{self._folder} holds no state")
    self.tree: Tree = tree.named(metadata.tree)

  def read(self, wanted: Tree) -> dict[Path, jax.Array]:
    import orbax.checkpoint as ocp

    item = traverse_util.unflatten_dict(
      {path: tree.stored(x) for path, x in wanted.items()}
    )
    args = ocp.args.PyTreeRestore(
      item,
      restore_args=ocp.checkpoint_utils.construct_restore_args(item),
      partial_restore=True,
    )
    return tree.named(self._reader.restore(self._folder, args))


class StoredFile(Stored):
  """The arrays of a file, ours or of another layout; read when asked for.

  Attributes:
    foreign: whether its names are not ours: `named` gives it some.
  """

  def __init__(self, file: epath.Path, tensors: Tensors | None = None):
    """Reads names and shapes.

    Args:
      file: its place.
      tensors: what is in it, by our names; None opens it.

    Raises:
      CheckpointError: if there is none, or it is damaged.
    """
    try:
      self._tensors = tensors or files.open_tensors(file).tensors
    except UserError as error:
      raise CheckpointError(str(error)) from error
    self._file = file
    self.tree = {tuple(name.split("/")): x for name, x in self._tensors.items()}
    self.foreign = not any(path[0] in OURS for path in self.tree)

  def named(self, shapes: Shapes, net: str, layout: str) -> "StoredFile":
    """Returns a foreign file's arrays by our names, as those of a net.

    Args:
      shapes: path -> shape of the module's leaves, as `interop` names them.
      net: the net that they are to be of.
      layout: of the file; "" finds it out.

    Raises:
      CheckpointMismatch: if no layout has these leaves.
    """
    where = str(self._file)
    try:
      found = foreign.recognise(self._tensors, shapes, layout, where=where)
    except UserError as error:
      raise CheckpointMismatch(str(error)) from error
    place = lambda kind, rest: (
      f"params/{net}/{rest}"
      if kind == OURS[0]
      else f"stats/{net}/{kind}/{rest}"
    )
    named = {place(*path.split("/", 1)): x for path, x in found.items()}
    return StoredFile(self._file, named)

  def read(self, wanted: Tree) -> dict[Path, jax.Array]:
    return {
      path: jax.device_put(self.tree[path].load().astype(x.dtype), x.sharding)
      for path, x in wanted.items()
    }


def first_readable(
  folder: epath.Path, steps: Iterable[int], read: Callable[[int], T]
) -> tuple[T, tuple[int, ...]]:
  """Returns what `read` gives for the first step it can read, and the others.

  Args:
    folder: where the steps are, for the messages.
    steps: the steps to try, best first.
    read: step -> anything; raises on a damaged one.

  Returns:
    The result, and the steps before that could not be read.

  Raises:
    CheckpointMismatch: as `read` raises it: no damage, so none is skipped.
    CheckpointError: if none of the steps can be read.
  """
  damaged, first = [], None
  for step in steps:
    try:
      result = read(step)
    except CheckpointMismatch:
      raise
    except Exception as error:
      damaged.append(step)
      first = first or error
    else:
      for bad in damaged:
        _LOG.warning(
          "The checkpoint of step %d in %s cannot be read (%s); falling back "
          "to step %d.", bad, folder, reason(first), step,
        )  # fmt: skip
      return result, tuple(damaged)
  raise CheckpointError(
    f"no readable checkpoint in {folder}: tried step "
    f"{', '.join(map(str, damaged))} ({reason(first)}). Fix: choose another "
    "step, restore the folder from a copy, or start again in a new --workdir."
  ) from first
