"""Images in folders: one for each class."""

import collections
import functools
import itertools
import os
import pathlib
from collections.abc import Sequence

import numpy as np

from vision_jax.data.errors import DataError, some
from vision_jax.data.files import (
  SUFFIXES,
  Found,
  files_hash,
  find_images,
  folders_in,
  log_left_out,
  nfc,
  plain_name,
  read_image,
)
from vision_jax.data.found import split_of
from vision_jax.data.pickled import AsMade
from vision_jax.data.source import Example


class ImageFolder(AsMade):
  """A folder with one folder of images for each class, nested or not.

  Classes are the folders' names in sorted order; examples are sorted by class,
  then by path. What is left out (hidden, other kinds of files) is logged once.

  Args:
    folder: the folder of the class folders.
    class_names: the classes to expect, in the order of the labels; None or
      empty takes the folders that are there.

  Raises:
    DataError: on first use, if a folder is missing, empty or unexpected.
  """

  def __init__(
    self,
    folder: str | os.PathLike[str],
    class_names: Sequence[str] | None = None,
  ):
    self.folder = pathlib.Path(folder)
    self._given = tuple(nfc(name) for name in class_names or ())
    self._left_out: collections.Counter[str] = collections.Counter()

  @functools.cached_property
  def _folders(self) -> dict[str, pathlib.Path]:
    """The class folders by name."""
    _check_folder(self.folder)
    found = folders_in(self.folder, self._left_out)
    if not found:
      raise DataError(
        f"image folder {self.folder}: has no folders in it; expected one for "
        "each class, named like it, with its images inside."
      )
    return found

  @functools.cached_property
  def class_names(self) -> tuple[str, ...]:
    """Names in the order of the labels."""
    found = self._folders
    if len(set(self._given)) < len(self._given):
      raise DataError(
        f"class_names: got [{some(sorted(self._given))}]; expected each once."
      )
    if self._given and set(self._given) != set(found):
      missing = sorted(set(self._given) - set(found))
      unknown = sorted(set(found) - set(self._given))
      raise DataError(
        f"image folder {self.folder}: lacks classes [{some(missing)}], and has "
        f"folders [{some(unknown)}] that are no class; expected one folder for "
        "each of class_names. Correct the folders or class_names."
      )
    return self._given or tuple(found)

  @property
  def num_classes(self) -> int:
    """Number of class folders."""
    return len(self.class_names)

  @functools.cached_property
  def _listing(self) -> tuple[list[pathlib.Path], np.ndarray]:
    folders = [self._folders[name] for name in self.class_names]
    found = [find_images(folder, root=self.folder) for folder in folders]
    empty = [
      name
      for name, images in zip(self.class_names, found, strict=True)
      if not images.files
    ]
    if empty:
      raise DataError(
        f"image folder {self.folder}: no images in the class folder"
        f"{'s' if len(empty) > 1 else ''} {some(empty)}; expected at "
        f"least one of {_kinds()}. Add images, or remove the folder."
      )
    self._log(found)
    sizes = [len(images.files) for images in found]
    label = np.repeat(np.arange(len(found)), sizes)
    files = itertools.chain(*(images.files for images in found))
    return list(files), label.astype(np.int32)

  def _log(self, found: Sequence[Found]) -> None:
    left_out = self._left_out.copy()
    beside = find_images(self.folder, nested=False)
    for images in (*found, beside):
      left_out.update(images.left_out)
    left_out["beside the class folders"] += len(beside.files)
    log_left_out(self.folder, left_out)

  @property
  def files(self) -> list[pathlib.Path]:
    """Path of each example."""
    return self._listing[0]

  def paths(self) -> list[str]:
    """Returns each example's path in the folder, as in "cat/1.jpg"."""
    return [plain_name(self.folder, path) for path in self.files]

  def __len__(self) -> int:
    return len(self.files)

  def labels(self) -> np.ndarray:
    """Returns all labels (n,)."""
    return self._listing[1]

  def read(self, indices: np.ndarray) -> list[Example]:
    """Returns encoded images with labels."""
    files, labels = self._listing
    return [_read(files[i]) | {"label": labels[i]} for i in indices]

  def fingerprint(self) -> str:
    """Returns a hash of names, sizes and times of change."""
    return files_hash(self.folder, self.files, self.class_names)


def split_folders(folder: str | os.PathLike[str]) -> dict[str, pathlib.Path]:
  """Returns the folders of "train", "val" and "test" that a data folder has.

  Their names may be spelled in any usual way, see `split_of`. Where there is no
  folder of a training split, class folders are in the data folder itself:
  {"train": folder}. A folder is a split's if it has folders in it; one that has
  images alone is a class of that name.

  Raises:
    DataError: if it is not clear which folders are classes, or a split is
      there twice or without "train".
  """
  folder = pathlib.Path(folder)
  _check_folder(folder)
  children = folders_in(folder)
  named = [name for name in children if split_of(name)]
  if not named:
    return {"train": folder}
  classes = [
    name
    for name, path in children.items()
    if name not in named and find_images(path, root=folder).files
  ]
  with_folders = [name for name in named if folders_in(children[name])]
  if classes and not with_folders:
    return {"train": folder}
  _check_splits(folder, with_folders, classes)
  for name in set(named) - set(with_folders):
    number = len(find_images(children[name]).files)
    log_left_out(children[name], {"images, in no class folder": number})
  return {split_of(name): children[name] for name in with_folders}


def _check_splits(
  folder: pathlib.Path, splits: Sequence[str], classes: Sequence[str]
) -> None:
  if classes:
    raise DataError(
      f"image folder {folder}: has {some(splits)} with folders inside, and "
      f"beside them {some(classes)} with images; expected the folders of "
      "splits, or those of classes. Move the others elsewhere; if it is a "
      "class, put its images directly into its folder."
    )
  found = [split_of(name) for name in splits]
  if len(set(found)) < len(found):
    raise DataError(
      f"image folder {folder}: has {some(splits)}; expected one folder for "
      "each split. Move or rename the other."
    )
  if "train" not in found:
    raise DataError(
      f"image folder {folder}: has no folder train with the class folders to "
      "train on; expected train/CLASS/*.jpg and, where there are such, "
      "val/CLASS/*.jpg and test/CLASS/*.jpg, or class folders alone."
    )


def _read(path: pathlib.Path) -> Example:
  return {"image": read_image(path), "name": str(path)}


def _check_folder(folder: pathlib.Path) -> None:
  if not folder.is_dir():
    what = "is a file" if folder.exists() else "does not exist"
    raise DataError(
      f"image folder {folder}: {what}; expected a folder. Check the path."
    )


def _kinds() -> str:
  return " ".join(sorted(SUFFIXES))
