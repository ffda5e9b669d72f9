"""Images without labels: a file, a folder, a pattern, or a list of them."""

import functools
import glob
import os
import pathlib
from collections.abc import Sequence

from vision_jax.data.errors import DataError, some
from vision_jax.data.files import (
  SUFFIXES,
  files_hash,
  find_images,
  log_left_out,
  nfc,
  plain_name,
  read_image,
)
from vision_jax.data.pickled import AsMade
from vision_jax.data.source import Example

_EXPECTED = (
  "expected an image, a folder with images, a pattern such as 'DIR/*.jpg' (in "
  "quotes) or a .txt file with a path a line"
)
_KINDS = " ".join(sorted(SUFFIXES))


class ImageList(AsMade):
  """The images that a user names; examples have `image` and `name`.

  Args:
    images: an image; a folder, whose folders are walked too; a pattern of
      paths with * ? [...] or ** for any folders; or a .txt file with a path a
      line, absolute or as seen from its folder, in whose order they come.
      Others are sorted by name. What exists is no pattern.
    flag: what errors call it.

  Raises:
    DataError: on first use, if there are none, or a list names what is none.
  """

  def __init__(self, images: str | os.PathLike[str], *, flag: str = "--images"):
    self.given, self.flag = pathlib.Path(images), flag

  @functools.cached_property
  def files(self) -> list[pathlib.Path]:
    """Path of each example."""
    given, flag = self.given, self.flag
    if given.is_dir():
      return _in_folder(given, flag)
    if given.is_file():
      listed = given.suffix.lower() == ".txt"
      return _listed(given, flag) if listed else _alone(given, flag)
    if glob.has_magic(str(given)):
      return _matching(str(given), flag)
    raise DataError(f"{flag}: {given} does not exist; {_EXPECTED}.")

  @functools.cached_property
  def folder(self) -> pathlib.Path:
    """The folder that all of them are in, or in a folder of."""
    if self.given.is_dir():
      return self.given
    return pathlib.Path(os.path.commonpath([f.parent for f in self.files]))

  def __len__(self) -> int:
    return len(self.files)

  def read(self, indices: Sequence[int]) -> list[Example]:
    """Returns encoded images."""
    files = [self.files[i] for i in indices]
    return [{"image": read_image(f), "name": str(f)} for f in files]

  def paths(self) -> list[str]:
    """Returns each image's path in the folder, as in "a/1.jpg"."""
    return [plain_name(self.folder, file) for file in self.files]

  def fingerprint(self) -> str:
    """Returns a hash of names, sizes and times of change."""
    return files_hash(self.folder, self.files)


def _in_folder(folder: pathlib.Path, flag: str) -> list[pathlib.Path]:
  found = find_images(folder)
  if not found.files:
    raise DataError(
      f"{flag}: the folder {folder} has no images; expected at least one of "
      f"{_KINDS} in it, or in a folder of it. Check the path."
    )
  log_left_out(folder, found.left_out)
  return list(found.files)


def _alone(path: pathlib.Path, flag: str) -> list[pathlib.Path]:
  if not _is_image(path):
    raise DataError(
      f"{flag}: {path} is a file of another kind; {_EXPECTED}. Images are "
      f"{_KINDS}."
    )
  return [_plain(path)]


def _matching(pattern: str, flag: str) -> list[pathlib.Path]:
  found = [pathlib.Path(p) for p in glob.glob(pattern, recursive=True)]
  files = {_plain(path) for path in found if path.is_file()}
  images = sorted(filter(_is_image, files), key=lambda path: nfc(str(path)))
  if not images:
    number = f"{len(found)} files and folders, none of which is an image"
    number = number if found else "nothing"
    raise DataError(
      f"{flag}: the pattern {pattern} matches {number}; expected at "
      f"least one of {_KINDS}. Check the folder, put the "
      "pattern in quotes, and write ** for folders in folders."
    )
  log_left_out(
    pathlib.Path(pattern), {"of other kinds": len(files) - len(images)}
  )
  return images


def _listed(path: pathlib.Path, flag: str) -> list[pathlib.Path]:
  try:
    lines = path.read_text(encoding="utf-8-sig").splitlines()
  except (OSError, UnicodeDecodeError) as error:
    raise DataError(
      f"{flag}: the list {path} cannot be read ({error}); expected the path "
      "of an image a line, as UTF-8."
    ) from error
  first: dict[pathlib.Path, int] = {}
  for number, line in enumerate(lines, 1):
    if line := line.strip():
      image = _of_line(path, number, line, flag)
      if image in first:
        raise DataError(
          f"{flag}: lines {first[image]} and {number} of the list {path} "
          f"both name {line}; expected each image once. Remove one."
        )
      first[image] = number
  if not first:
    raise DataError(
      f"{flag}: the list {path} is empty; expected the path of an image a line."
    )
  return list(first)


def _of_line(
  path: pathlib.Path, number: int, line: str, flag: str
) -> pathlib.Path:
  image = _plain(path.absolute().parent / line)
  if image.is_file() and _is_image(image):
    return image
  kinds = some(sorted(SUFFIXES), len(SUFFIXES))
  what = f"is none of {kinds}" if image.is_file() else "is no file"
  raise DataError(
    f"{flag}: line {number} of the list {path} names {line}, which {what}; "
    f"expected an image's path, absolute or as seen from {path.parent}."
  )


def _is_image(path: pathlib.Path) -> bool:
  return path.suffix.lower() in SUFFIXES


def _plain(path: pathlib.Path) -> pathlib.Path:
  """Returns an absolute path without "..", which outputs are named by."""
  if ".." in path.parts:
    return path.parent.resolve() / path.name
  return path.absolute()
