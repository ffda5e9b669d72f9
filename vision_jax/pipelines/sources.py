"""Sources of images with labels, by the name of their data set.

"mnist" and "cifar10" are prepared TFDS sets that are decoded once and kept in
memory; "folder" has one folder a class, in `train` and `val`; "digits" are
scikit-learn's, which come with the packages and stand in for the others, at
their size, in `tiny` variants; every other name is a prepared TFDS set of
photographs, such as "imagenet2012". Sources touch their data on first use.
"""

import functools
import pathlib
from collections.abc import Sequence
from typing import Any

from vision_jax.data.memory import InMemory
from vision_jax.data.sources.digits import EnlargedDigits
from vision_jax.data.sources.folders import ImageFolder, split_folders
from vision_jax.data.sources.tfds import TfdsSource
from vision_jax.data.subsets import split_train
from vision_jax.data.transforms.image import decode
from vision_jax.errors import UserError
from vision_jax.pipelines.unused import tell_unused

_DIGITS = tuple("0123456789")
CLASS_NAMES = {
  "digits": _DIGITS,
  "mnist": _DIGITS,
  "cifar10": (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
  ),
}
# Of the files of a data set; those of all others are photographs, in colour.
CHANNELS = {"mnist": (1,), "digits": (1, 3)}  # grey can be given as colour
_IN_MEMORY = ("mnist", "cifar10")
# ImageNet's test labels are not public: its validation set is the test.
_SPLITS = {("imagenet2012", "test"): "validation"}


def class_names(name: str) -> tuple[str, ...]:
  """Returns the names of a data set's classes, () where they are not known."""
  return CLASS_NAMES.get(name, ())


def folder_classes(folder: str) -> tuple[str, ...]:
  """Returns the class names of a folder of images.

  Raises:
    UserError: if no folder is given.
  """
  if not folder:
    raise UserError(
      "--config.data_dir is missing; expected a folder with train/CLASS/*.jpg "
      "and val/CLASS/*.jpg, or with the class folders themselves."
    )
  return ImageFolder(split_folders(folder)["train"]).class_names


def open(
  name: str,
  split: str,
  *,
  size: int,
  channels: int = 3,
  data_dir: str = "",
  threads: int = 0,
) -> Any:
  """Returns one split of a data set, "train" or "test".

  Args:
    name: of the data set, not "folder": see `open_splits`.
    split: "train" or "test".
    size: height and width of digits.
    channels: of the images, 1 or 3.
    data_dir: folder of the data, "" for VISION_JAX_DATA.
    threads: that decode what is kept in memory; 0 is one for each core.

  Raises:
    UserError: for channels that the files do not have.
  """
  _check_channels(name, channels)
  if name == "digits":
    if split == "train":
      tell_unused("scikit-learn's digits", data_dir=data_dir)
    return EnlargedDigits(split, size, channels)
  source = TfdsSource(
    name, _SPLITS.get((name, split), split), data_dir=data_dir
  )
  if name in _IN_MEMORY:
    return InMemory(source, [decode(channels)], threads)
  return source


def open_splits(
  name: str,
  *,
  size: int,
  channels: int = 3,
  holdout: int = 0,
  classes: Sequence[str] = (),
  data_dir: str = "",
  threads: int = 0,
) -> tuple[Any, dict[str, Any]]:
  """Returns the source to train on, and those to evaluate by name.

  `holdout` examples of train are "val"; 0 holds none out. A folder says which
  splits it has itself; a tenth of each class is val where it has none.

  Args:
    name: of the data set.
    size, channels, data_dir, threads: as for `open`.
    holdout: examples of train that are held out.
    classes: names of a folder's classes.
  """
  if name == "folder":
    _check_channels(name, channels)
    return _open_folder(data_dir, classes)
  open_split = functools.partial(
    open,
    name,
    size=size,
    channels=channels,
    data_dir=data_dir,
    threads=threads,
  )
  train, evals = open_split("train"), {}
  if holdout:
    train, evals["val"] = split_train(train, holdout, seed=0)
  return train, evals | {"test": open_split("test")}


def _open_folder(
  folder: str, classes: Sequence[str]
) -> tuple[Any, dict[str, Any]]:
  """Val is a tenth of train where it has no folder; test is where it has."""
  found = {"train": pathlib.Path(folder)}
  if folder and found["train"].is_dir():  # predicting needs no data
    found = split_folders(folder)
  sources = {split: ImageFolder(path, classes) for split, path in found.items()}
  train = sources.pop("train")
  if "val" not in sources:
    train, val = split_train(train, 0.1, seed=0, stratify=True)
    sources = {"val": val} | sources
  return train, sources


def _check_channels(name: str, channels: int) -> None:
  have = CHANNELS.get(name, (3,))
  if channels not in have:
    expected = " or ".join(map(str, have))
    raise UserError(
      f"--config.channels: got {channels}; expected {expected}, as the "
      f"pictures of {name} have."
    )
