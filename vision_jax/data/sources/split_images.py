"""The images of a split, wherever they are kept: in files, tars or tables."""

import os
import pathlib
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from vision_jax.data.errors import BadImage, DataError, some
from vision_jax.data.files import files_hash, find_images, nfc, read_image
from vision_jax.data.source import short_hash


class Images(Protocol):
  """Images with names of their own, read one by one by any thread."""

  names: Sequence[str]  # paths in the folder of the data, as in "a/1.jpg"

  def place(self, i: int) -> str:
    """Returns what errors call the image i."""

  def read(self, i: int) -> bytes | np.ndarray:
    """Returns it, encoded or as an array (h w c)."""

  def fingerprint(self) -> str:
    """Returns a hash that changes when the images do."""


class FileImages:
  """Images that are files in a folder."""

  def __init__(self, folder: pathlib.Path, paths: Sequence[pathlib.Path]):
    self.folder, self.paths = folder, list(paths)
    self.names = [nfc(os.path.relpath(path, folder)) for path in self.paths]

  def place(self, i: int) -> str:
    """Returns its path."""
    return str(self.paths[i])

  def read(self, i: int) -> bytes:
    """Returns the file's bytes."""
    return read_image(self.paths[i])

  def fingerprint(self) -> str:
    """Returns a hash of names, sizes and times of change."""
    return files_hash(self.folder, self.paths)


class Slice(NamedTuple):
  """Where an image lies inside a file."""

  path: pathlib.Path
  start: int
  size: int


class SlicedImages:
  """Images inside larger files that are not compressed."""

  def __init__(self, names: Sequence[str], slices: Sequence[Slice]):
    self.names, self.slices = list(names), list(slices)

  def place(self, i: int) -> str:
    """Returns the file's path, and the name in it."""
    return f"{self.slices[i].path}: {self.names[i]}"

  def read(self, i: int) -> bytes:
    """Returns its bytes."""
    path, start, size = self.slices[i]
    try:
      with path.open("rb") as file:
        file.seek(start)
        return file.read(size)
    except OSError as error:
      reason = f"cannot be read ({error.strerror})"
      raise BadImage(self.place(i), reason) from error

  def fingerprint(self) -> str:
    """Returns a hash of names, places and the files' times of change."""
    files = sorted({piece.path for piece in self.slices})
    stats = [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in files]
    places = [(piece.start, piece.size) for piece in self.slices]
    return short_hash(self.names, places, stats)


class KeptImages:
  """Images in memory, encoded or as arrays (h w c)."""

  def __init__(self, where: str, images: Sequence[bytes | np.ndarray]):
    self.where, self.images = where, images
    self.names = [str(i) for i in range(len(images))]

  def place(self, i: int) -> str:
    """Returns where they come from, and which it is."""
    return f"{self.where} [{i}]"

  def read(self, i: int) -> bytes | np.ndarray:
    """Returns it."""
    return self.images[i]

  def fingerprint(self) -> str:
    """Returns a hash of the content."""
    if isinstance(self.images, np.ndarray):
      return short_hash(self.images)
    return short_hash(*self.images)


class Index:
  """The images under a folder, to be found by what annotations call them."""

  def __init__(self, folder: pathlib.Path):
    self.folder = folder
    found = find_images(folder)
    self._exact = dict(zip(found.names(), found.files, strict=True))
    self._loose: dict[str, list[pathlib.Path]] = {}
    for name, path in self._exact.items():
      pure = pathlib.PurePosixPath(name)
      for key in {pure.name, pure.stem, str(pure.with_suffix(""))}:
        self._loose.setdefault(key, []).append(path)

  def find(
    self, name: str, where: str, near: Sequence[str] = ("",)
  ) -> pathlib.Path:
    """Returns the image that an annotation names.

    Args:
      name: a path in the folder or in one of `near`; or the name of one file
        anywhere in it, with or without its suffix.
      where: what an error calls the annotation.
      near: folders in it, as in "train/".

    Raises:
      DataError: if there is none, or several.
    """
    plain = nfc(name.strip().replace("\\", "/"))
    if _absolute(plain):
      plain = self._own(plain, name, where)
    plain = plain.removeprefix("./")
    for base in near:
      if path := self._exact.get(base + plain):
        return path
    last = plain.rpartition("/")[2]
    found = self._loose.get(plain) or self._loose.get(last) or []
    if len(found) == 1:
      return found[0]
    what = f"{len(found)} of that name, such as {some(found, 2)}"
    raise DataError(
      f"{where}: names the image {name!r}, and there "
      f"{f'are {what}' if found else 'is none'} under {self.folder}; expected "
      "the path of one, as seen from the folder. Correct the annotation, or "
      "add the file."
    )

  def _own(self, plain: str, name: str, where: str) -> str:
    """Returns an absolute path as seen from the folder."""
    folder = os.path.abspath(self.folder)
    if plain.startswith(folder + "/"):
      return os.path.relpath(plain, folder).replace(os.sep, "/")
    raise DataError(
      f"{where}: names the image {name!r}, an absolute path outside "
      f"{self.folder}, as of another machine; expected a path as seen from the "
      "folder, such as images/1.jpg. Cut off what it begins with."
    )


def _absolute(path: str) -> bool:
  return path.startswith("/") or path[1:3] == ":/" or "://" in path
