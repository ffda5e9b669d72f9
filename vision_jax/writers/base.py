"""Formats of predictions: a file each, with a `Writer` in it."""

import dataclasses
import functools
import importlib
import inspect
import pathlib
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
from etils import epath

from vision_jax.data.headers import size_of
from vision_jax.data.images import as_stored
from vision_jax.data.masks_in_boxes import numbered, paste
from vision_jax.errors import UserError
from vision_jax.viz.bands import show_bands
from vision_jax.viz.overlay import resize_mask

Row = Mapping[str, np.ndarray]  # one image's outputs
# Outputs of which there is one for each box.
OF_BOXES = ("boxes", "score", "label", "masks", "keypoints")
SURE = 0.3  # from which score on a box counts, where nothing says it


@dataclasses.dataclass(frozen=True)
class About:
  """What all writers of a call are made with.

  Attributes:
    output: folder to write to.
    class_names: names in the order of the labels; () shows their numbers.
    mask_values: the value that each class has in masks; () for its number.
    annotations: COCO json whose ids of images and categories are taken; ""
      for ids from 1 on.
    threshold: the least score of a box that counts, of the second of two
      classes, or of each class where an image has several; None where there is
      none.
    thresholds: the same of each class, in their order; () for `threshold`.
    show_bands: channels of an image's file that pictures show; () for the
      first.
  """

  output: epath.Path
  class_names: Sequence[str] = ()
  mask_values: Sequence[int] = ()
  annotations: str = ""
  threshold: float | None = None
  thresholds: Sequence[float] = ()
  show_bands: Sequence[int] = ()

  def name(self, label: int) -> str:
    """Returns the name of a class."""
    return self.class_names[label] if self.class_names else str(label)

  def sure(self, row: Row) -> dict[str, np.ndarray]:
    """Returns what of `OF_BOXES` a row has, of the boxes that count."""
    least = SURE if self.threshold is None else self.threshold
    counts = row["score"] >= least
    return {name: row[name][counts] for name in OF_BOXES if name in row}


class Writer(Protocol):
  """Makes files of predictions; it is made with an `About`.

  Attributes:
    needs: names of the outputs that it reads, all of them.
    one_of: names of which it reads one that is there; () for no such.
  """

  needs: ClassVar[Sequence[str]] = ()
  one_of: ClassVar[Sequence[str]] = ()

  def __call__(
    self, file: pathlib.Path, row: Row, name: str
  ) -> dict[str, Any] | None:
    """Writes an image's outputs; returns what `predictions.jsonl` says of it.

    Files of one image are called `name`, which no other image of the call has.
    It may have folders in it.
    """

  def close(self) -> None:
    """Writes what is of all images together."""


MakeWriter = Callable[[About], Writer]


def named(name: str) -> MakeWriter:
  """Returns the writer of a file in this folder, of masks.py for "masks".

  Raises:
    UserError: listing the formats that there are.
  """
  if made := formats().get(name):
    return made
  raise UserError(
    f"--format: got {name!r}; expected one of {', '.join(formats())}, or "
    "several with commas between."
  )


def formats() -> dict[str, MakeWriter]:
  """Returns each format's writer by its file's name, sorted.

  It is the class of that file whose name ends in Writer.
  """
  folders = importlib.import_module("vision_jax.writers").__path__
  files = [file for path in folders for file in pathlib.Path(path).glob("*.py")]
  names = sorted({file.stem for file in files} - {"__init__", "base"})
  return {name: made for name in names if (made := _writer_of(name))}


def fits(writer: Writer | MakeWriter, outputs: Collection[str]) -> bool:
  """Whether a writer can write what a task predicts, names of outputs.

  What makes a writer may leave it unsaid what that needs.
  """
  needs, one_of = (getattr(writer, key, ()) for key in ("needs", "one_of"))
  return set(needs) <= set(outputs) and (
    not one_of or bool(set(one_of) & set(outputs))
  )


def place(file: pathlib.Path, name: str) -> str:
  """Returns an image's path in the folder of all, as in "a/b.jpg"."""
  return str(pathlib.PurePosixPath(name).parent / file.name)


def objects_of(row: Row, about: About, size: tuple[int, int]) -> np.ndarray:
  """Returns the map (h w) that numbers a row's objects, 0 for background.

  It is `instances`, at the image's `size`; of an image that the net saw in a
  canvas, and where a threshold is given, it is made of the `masks` that count,
  where there are some.
  """
  given = row["instances"]
  if "masks" not in row or (given.shape == size and about.threshold is None):
    return resize_mask(given, size)
  sure = about.sure(row)
  return numbered(paste(sure["masks"], sure["boxes"], size))


@functools.lru_cache(maxsize=1)
def shown(file: pathlib.Path, bands: Sequence[int] = ()) -> np.ndarray:
  """Returns an image of a file as it is shown, (h w 1) or (h w 3) uint8.

  The last one is kept, as several formats are written of an image in turn.

  Args:
    file: the image.
    bands: those of the file that are shown, see `show_bands`.
  """
  whole = as_stored(file.read_bytes(), str(file), photo=not bands)
  return show_bands(whole, bands)


@functools.lru_cache(maxsize=1)
def height_width(file: pathlib.Path) -> tuple[int, int]:
  """Returns an image's height and width, which its file's head tells."""
  return size_of(file.read_bytes()) or shown(file).shape[:2]


def _writer_of(name: str) -> MakeWriter | None:
  """Returns the writer that a file defines, if it defines one."""
  module = importlib.import_module(f"vision_jax.writers.{name}")
  for attribute, value in vars(module).items():
    own = inspect.isclass(value) and value.__module__ == module.__name__
    if own and attribute.endswith("Writer"):
      return value
  return None
