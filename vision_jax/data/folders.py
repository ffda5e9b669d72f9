"""Images in folders: a folder for each class, or one folder to predict on."""

import functools
import itertools
import os
import pathlib
from collections.abc import Sequence

import numpy as np

from vision_jax.data.errors import BadImage, DataError
from vision_jax.data.source import Example, short_hash

SUFFIXES = frozenset(
  f".{kind}"
  for kind in (
    *("jpg", "jpeg", "png", "bmp", "webp", "gif"),
    *("tif", "tiff", "ppm", "pgm"),
  )
)


class ImageFolder:
  """A folder with one folder of images for each class, nested or not.

  Classes are the folders' names in sorted order; examples are sorted by class,
  then by path. Hidden files and other kinds of files are left out.

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
    self._given = tuple(class_names or ())

  @functools.cached_property
  def class_names(self) -> tuple[str, ...]:
    """Names in the order of the labels."""
    _check_folder(self.folder)
    found = sorted(
      p.name
      for p in self.folder.iterdir()
      if p.is_dir() and not p.name.startswith(".")
    )
    if not found:
      raise DataError(
        f"image folder {self.folder}: has no folders in it; expected one for "
        "each class, named like it, with its images inside."
      )
    if self._given and set(self._given) != set(found):
      missing = sorted(set(self._given) - set(found))
      unknown = sorted(set(found) - set(self._given))
      raise DataError(
        f"image folder {self.folder}: lacks classes {missing}, and has "
        f"folders {unknown} that are no class; expected one folder for each "
        "of class_names. Correct the folders or class_names."
      )
    return self._given or tuple(found)

  @property
  def num_classes(self) -> int:
    """Number of class folders."""
    return len(self.class_names)

  @functools.cached_property
  def _listing(self) -> tuple[list[pathlib.Path], np.ndarray]:
    found = [_images(self.folder / name) for name in self.class_names]
    empty = [
      name
      for name, files in zip(self.class_names, found, strict=True)
      if not files
    ]
    if empty:
      raise DataError(
        f"image folder {self.folder}: no images in the class folder"
        f"{'s' if len(empty) > 1 else ''} {', '.join(empty)}; expected at "
        f"least one of {_kinds()}. Add images, or remove the folder."
      )
    label = np.repeat(np.arange(len(found)), [len(files) for files in found])
    return list(itertools.chain(*found)), label.astype(np.int32)

  @property
  def files(self) -> list[pathlib.Path]:
    """Path of each example."""
    return self._listing[0]

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
    return _fingerprint(self.folder, self.files, self.class_names)


class ImageList:
  """The images that lie directly in one folder, sorted by name, no labels.

  Raises:
    DataError: on first use, if there are none.
  """

  def __init__(self, folder: str | os.PathLike[str]):
    self.folder = pathlib.Path(folder)

  @functools.cached_property
  def files(self) -> list[pathlib.Path]:
    """Path of each example."""
    _check_folder(self.folder)
    files = sorted(p for p in self.folder.iterdir() if _is_image(p))
    if not files:
      raise DataError(
        f"image folder {self.folder}: has no images; expected at least one of "
        f"{_kinds()} directly in it."
      )
    return files

  def __len__(self) -> int:
    return len(self.files)

  def read(self, indices: np.ndarray) -> list[Example]:
    """Returns encoded images."""
    return [_read(self.files[i]) for i in indices]

  def fingerprint(self) -> str:
    """Returns a hash of names, sizes and times of change."""
    return _fingerprint(self.folder, self.files, ())


def _read(path: pathlib.Path) -> Example:
  try:
    return {"image": path.read_bytes(), "name": str(path)}
  except OSError as error:
    raise BadImage(str(path), f"cannot be read ({error.strerror})") from error


def _check_folder(folder: pathlib.Path) -> None:
  if not folder.is_dir():
    what = "is a file" if folder.exists() else "does not exist"
    raise DataError(
      f"image folder {folder}: {what}; expected a folder. Check the path."
    )


def _images(folder: pathlib.Path) -> list[pathlib.Path]:
  return sorted(
    path
    for place, _, names in os.walk(folder, followlinks=True)
    for path in (pathlib.Path(place, name) for name in names)
    if _is_image(path)
  )


def _is_image(path: pathlib.Path) -> bool:
  if path.name.startswith(".") or path.suffix.lower() not in SUFFIXES:
    return False
  return path.is_file() or path.is_symlink()


def _kinds() -> str:
  return " ".join(sorted(SUFFIXES))


def _fingerprint(
  folder: pathlib.Path, files: list[pathlib.Path], names: tuple[str, ...]
) -> str:
  stats = ((p, p.stat()) for p in files)
  entries = [
    (p.relative_to(folder).as_posix(), s.st_size, s.st_mtime_ns)
    for p, s in stats
  ]
  return short_hash(names, entries)
