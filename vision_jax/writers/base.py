"""What makes files of predictions: the `Writer`."""

import importlib
import inspect
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
from etils import epath

from vision_jax.errors import UserError

Row = Mapping[str, np.ndarray]  # one image's outputs


class Writer(Protocol):
  """Makes of one image's outputs an object, and files beside it.

  Attributes:
    needs: names of the outputs that it reads.
  """

  needs: ClassVar[Sequence[str]] = ()

  def __call__(
    self, file: pathlib.Path, row: Row, name: str = ""
  ) -> dict[str, Any]:
    """Returns what `predictions.jsonl` tells of an image.

    Files beside it are called `name`, which no other image of the call has.
    """

  def close(self) -> None:
    """Writes what is of all images together."""


MakeWriter = Callable[[epath.Path, Sequence[str]], Writer]


def named(name: str) -> MakeWriter:
  """Returns the writer of a file in this folder, of masks.py for "masks".

  The class of that file whose name ends in Writer; it is made with the output
  folder and the names of the classes.

  Raises:
    UserError: listing the files that have one.
  """
  names = sorted(_modules())
  if name in names and (found := _writer_of(name)):
    return found
  raise UserError(
    f"--writer: got {name!r}; expected one of "
    f"{', '.join(filter(_writer_of, names))}."
  )


def _modules() -> set[str]:
  folders = importlib.import_module("vision_jax.writers").__path__
  files = [file for path in folders for file in pathlib.Path(path).glob("*.py")]
  return {file.stem for file in files} - {"__init__", "base"}


def _writer_of(name: str) -> MakeWriter | None:
  """Returns the writer that a file defines, if it defines one."""
  module = importlib.import_module(f"vision_jax.writers.{name}")
  for attribute, value in vars(module).items():
    own = inspect.isclass(value) and value.__module__ == module.__name__
    if own and attribute.endswith("Writer"):
      return value
  return None
