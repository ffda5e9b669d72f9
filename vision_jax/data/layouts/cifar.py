"""CIFAR-10's and CIFAR-100's binary files."""

import functools
import pathlib

from vision_jax.data.errors import DataError, some
from vision_jax.data.files import files_in
from vision_jax.data.found import LABELS, Found, checked
from vision_jax.data.sources.arrays_labelled import read_cifar
from vision_jax.data.sources.labelled import LabelledSource

_NAMES = ("batches.meta.txt", "fine_label_names.txt")


def recognise(folder: pathlib.Path) -> Found | None:
  """Takes data_batch_1.bin, ... and test_batch.bin, or train.bin, test.bin."""
  files = files_in(folder, ".bin")
  ten = [p for p in files if p.name.startswith("data_batch")]
  hundred = [p for p in files if p.name == "train.bin"]
  if not ten and not hundred:
    if (folder / "data_batch_1").is_file():
      raise DataError(
        f"data folder {folder}: has CIFAR's version for Python, pickled, which "
        "runs what it holds; expected the binary version, data_batch_1.bin. "
        "Take that one."
      )
    return None
  tests = [p for p in files if p.name in ("test_batch.bin", "test.bin")]
  splits = {"train": ten or hundred} | ({"test": tests} if tests else {})
  names = _names(folder)
  opened = {
    split: functools.partial(
      LabelledSource,
      functools.partial(read_cifar, paths, 1 if ten else 2, names),
      f"CIFAR files {folder}, {split}",
    )
    for split, paths in checked(splits, folder).items()
  }
  shown = some(path.name for path in (*(ten or hundred), *tests))
  return Found("cifar", LABELS, shown, opened)


def _names(folder: pathlib.Path) -> tuple[str, ...]:
  for name in _NAMES:
    if (folder / name).is_file():
      lines = (folder / name).read_text(encoding="utf-8").split("\n")
      return tuple(line.strip() for line in lines if line.strip())
  return ()
