"""HDF5: datasets as tensors, by their paths; Keras and MATLAB lie above it.

Only what is in the file is read: a link or a dataset that leads to another
file is refused.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from vision_jax.interop.readers.source import (
  Source,
  check_expansion,
  count,
  library,
  native,
)
from vision_jax.interop.tensors import Tensor, Tensors

EXTRA = "hdf5"
_NUMBERS = "fiubc"
_DEEPEST = 32
_OPTIMIZERS = ("optimizer", "optimizer_weights")


@contextlib.contextmanager
def opened(source: Source) -> Iterator[Any]:
  """Opens a file as an `h5py.File`; whatever is wrong in it is an error."""
  h5py = library("h5py", EXTRA, source.path)
  with (
    source.read_by("HDF5"),
    source.open() as file,
    h5py.File(file, "r") as inside,
  ):
    yield inside


def read(source: Source, inside: Any) -> Tensors:
  """Returns all datasets of numbers, by their paths, but an optimizer's."""
  return dict(_walk(source, inside, ""))


def _walk(
  source: Source, group: Any, path: str
) -> Iterator[tuple[str, Tensor]]:
  if path.count("/") > _DEEPEST:
    raise source.bad(f"its groups are {_DEEPEST} deep", "fewer")
  for name in group:
    if name in _OPTIMIZERS:
      continue
    value = member(source, group, name)
    if is_group(value):
      yield from _walk(source, value, f"{path}{name}/")
    elif holds_numbers(value):
      yield path + name, tensor(source, value)


def is_group(value: Any) -> bool:
  """Whether something in a file holds others."""
  return hasattr(value, "keys")


def holds_numbers(value: Any) -> bool:
  """Whether something in a file is a tensor."""
  dtype = getattr(value, "dtype", None)
  is_array = dtype is not None and getattr(value, "shape", None) is not None
  return is_array and (dtype.kind in _NUMBERS or dtype == np.bool_)


def member(source: Source, group: Any, path: str) -> Any:
  """Returns what a path below a group leads to, by links within the file."""
  h5py = library("h5py", EXTRA, source.path)
  for name in path.split("/"):
    link = group.get(name, getlink=True) if is_group(group) else None
    if not isinstance(link, h5py.HardLink):
      raise source.bad(
        f"{path[:80]} is missing, or a link to elsewhere", "a part of the file"
      )
    group = group[name]
  return group


def tensor(source: Source, dataset: Any, *, reverse: bool = False) -> Tensor:
  """Returns a dataset as a tensor, which is not read.

  Args:
    source: the file.
    dataset: of numbers.
    reverse: whether its axes are in reverse order (MATLAB's).

  Raises:
    UserError: if its numbers are in another file, or would fill memory.
  """
  path, dtype = dataset.name, dataset.dtype
  if dataset.external or dataset.is_virtual:
    raise source.bad(
      f"{path} has its numbers in another file", "them in this one", "Copy it."
    )
  shape = tuple(int(n) for n in dataset.shape)
  size = count(shape, dtype) * dtype.itemsize
  check_expansion(source.path, path, size, dataset.id.get_storage_size())
  place = dataset.ref

  def load() -> np.ndarray:
    with opened(source) as inside:
      numbers = native(np.asarray(inside[place][()]))
    return numbers.T if reverse else numbers

  return Tensor(
    shape[::-1] if reverse else shape, dtype.newbyteorder("="), load
  )
