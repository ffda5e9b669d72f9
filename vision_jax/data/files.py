"""Images in folders: one walk for all sources, and what it leaves out.

Folders may be links, and linked images are read. Names are compared as NFC,
since macOS writes an accent as a letter of its own and others do not.
"""

import collections
import dataclasses
import functools
import logging
import os
import pathlib
import unicodedata
from collections.abc import Iterable, Iterator, Mapping

from vision_jax.data.errors import BadImage, DataError
from vision_jax.data.source import short_hash

SUFFIXES = frozenset(
  f".{kind}"
  for kind in (
    *("jpg", "jpeg", "jpe", "jfif", "jp2", "png", "bmp", "dib", "gif"),
    *("webp", "avif", "tif", "tiff", "tga", "ppm", "pgm", "pbm", "npy"),
  )
)
# What file servers, bins and archives put beside images.
_LITTER = {"@eadir", "#recycle", "@recycle", "$recycle.bin", "__macosx"}
_BACK = "links back into the data"
_LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Found:
  """The images under a folder, and what was left out.

  Attributes:
    folder: where the walk began.
    files: paths of the images, sorted by name, part by part. A link to
      nothing is one of them: reading it says that it is a bad image.
    left_out: reason, or suffix of files of other kinds -> how many.
  """

  folder: pathlib.Path
  files: tuple[pathlib.Path, ...]
  left_out: Mapping[str, int]

  def names(self) -> list[str]:
    """Returns each image's path in the folder, as in "a/b.jpg", NFC."""
    return [plain_name(self.folder, path) for path in self.files]

  def by_stem(self) -> dict[str, pathlib.Path]:
    """Returns the files by their names without suffix.

    Raises:
      DataError: if two have one name.
    """
    stems = self.all_by_stem()
    for first, *others in stems.values():
      if others:
        raise DataError(
          f"folder {self.folder}: {first.name} and {others[0].name} have one "
          "name; expected one file for each. Images and masks need folders of "
          "their own."
        )
    return {stem: paths[0] for stem, paths in stems.items()}

  def all_by_stem(self) -> dict[str, list[pathlib.Path]]:
    """Returns all files of each name without suffix."""
    stems: dict[str, list[pathlib.Path]] = {}
    for name, path in zip(self.names(), self.files, strict=True):
      stem = name.removesuffix(pathlib.PurePosixPath(name).suffix)
      stems.setdefault(stem, []).append(path)
    return stems


def find_images(
  folder: pathlib.Path,
  *,
  nested: bool = True,
  root: pathlib.Path | None = None,
) -> Found:
  """Finds the images in a folder, and in the folders in it where `nested`.

  Hidden files and folders and those of file servers (@eaDir) are left out, and
  so are links to folders inside or around the data's own: their images would
  be read twice, or without end.

  Args:
    folder: where to look.
    nested: whether folders in it are walked too.
    root: the whole data's folder; None for `folder`.

  Raises:
    DataError: if the folder, or one in it, is missing or cannot be read.
  """
  left_out: collections.Counter[str] = collections.Counter()
  walk = _Walk(root or folder, nested, left_out)
  files = []
  for path in walk(folder):
    suffix = path.suffix.lower()
    if suffix in SUFFIXES:
      files.append(path)
    else:
      left_out[suffix or "without suffix"] += 1
  return Found(folder, tuple(files), left_out)


def has_images(folder: pathlib.Path) -> bool:
  """Whether a folder has an image, or a folder in it; looks no further."""
  walk = _Walk(folder, True, collections.Counter())
  return any(path.suffix.lower() in SUFFIXES for path in walk(folder))


def files_in(folder: pathlib.Path, *suffixes: str) -> list[pathlib.Path]:
  """Returns the visible files of some kinds (".xml") directly in a folder."""
  return [
    folder / entry.name
    for entry in _visible(folder, collections.Counter())
    if entry.name.lower().endswith(suffixes) and entry.is_file()
  ]


def folders_in(
  folder: pathlib.Path, left_out: collections.Counter[str] | None = None
) -> dict[str, pathlib.Path]:
  """Returns the visible folders in a folder by name (NFC), sorted.

  Args:
    folder: where to look; it alone, not in the folders in it.
    left_out: is added the number of links that lead back.

  Raises:
    DataError: if it cannot be read, or two folders in it have one name.
  """
  folders: dict[str, pathlib.Path] = {}
  for entry in _visible(folder, collections.Counter()):
    path = folder / entry.name
    if not entry.is_dir():
      continue
    if _leads_back(path, folder):
      if left_out is not None:
        left_out[_BACK] += 1
    elif (other := folders.setdefault(nfc(path.name), path)) != path:
      raise DataError(
        f"folder {folder}: has {path.name!r} twice, spelled with other Unicode "
        f"characters ({_points(other.name)} and {_points(path.name)}); "
        "expected it once. Move the images into one of them."
      )
  return folders


def log_left_out(folder: pathlib.Path, left_out: Mapping[str, int]) -> None:
  """Logs once what was left out of a folder, counted by reason and suffix."""
  counts = sorted(left_out.items(), key=lambda item: (-item[1], item[0]))
  parts = [f"{number} {reason}" for reason, number in counts if number]
  if parts:
    _log(f"{folder}: left out {', '.join(parts)}")


def nfc(name: str) -> str:
  """Returns a name with each accented letter as one character."""
  return unicodedata.normalize("NFC", name)


def read_image(path: pathlib.Path) -> bytes:
  """Returns an image's bytes.

  Raises:
    BadImage: if it cannot be read, naming it.
  """
  try:
    return path.read_bytes()
  except OSError as error:
    raise BadImage(str(path), f"cannot be read ({error.strerror})") from error


def files_hash(
  folder: pathlib.Path, files: Iterable[pathlib.Path], *parts: object
) -> str:
  """Returns a hash of names, sizes and times of change, and of `parts`."""
  return short_hash(*parts, [_stat(folder, path) for path in files])


def plain_name(folder: pathlib.Path, path: pathlib.Path) -> str:
  """Returns a path in a folder as on every system: "a/b.jpg", NFC."""
  return nfc(path.relative_to(folder).as_posix())


def _stat(folder: pathlib.Path, path: pathlib.Path) -> tuple[object, ...]:
  name = path.relative_to(folder).as_posix()
  try:
    stat = path.stat()
  except OSError:  # a link to nothing is a bad image, which may be skipped
    return name, None, None
  return name, stat.st_size, stat.st_mtime_ns


@dataclasses.dataclass
class _Walk:
  """Yields the visible files under a folder, each real folder once."""

  root: pathlib.Path
  nested: bool
  left_out: collections.Counter[str]
  seen: set[tuple[int, int]] = dataclasses.field(default_factory=set)

  def __call__(self, folder: pathlib.Path) -> Iterator[pathlib.Path]:
    for entry in _visible(folder, self.left_out):
      path = folder / entry.name
      if not entry.is_dir():
        yield path
      elif self.nested and self._new(path):
        yield from self(path)

  def _new(self, path: pathlib.Path) -> bool:
    stat = path.stat()
    identity = (stat.st_dev, stat.st_ino)
    if identity in self.seen or _leads_back(path, self.root):
      self.left_out[_BACK] += 1
      return False
    self.seen.add(identity)
    return True


def _visible(
  folder: pathlib.Path, left_out: collections.Counter[str]
) -> list[os.DirEntry[str]]:
  """Returns what is directly in a folder and not hidden, sorted by name."""
  try:
    with os.scandir(folder) as entries:
      found = sorted(entries, key=lambda entry: nfc(entry.name))
  except OSError as error:
    raise DataError(
      f"folder {folder}: cannot be read ({error.strerror}); expected a folder "
      "that may be read. Check the path and its permissions."
    ) from error
  hidden = lambda name: name.startswith(".") or name.lower() in _LITTER
  left_out["hidden"] += sum(hidden(entry.name) for entry in found)
  return [entry for entry in found if not hidden(entry.name)]


def _leads_back(path: pathlib.Path, root: pathlib.Path) -> bool:
  """Whether a link leads to a folder inside or around the data's own."""
  if not path.is_symlink():
    return False
  real, root = path.resolve(), root.resolve()
  return real.is_relative_to(root) or root.is_relative_to(real)


def _points(name: str) -> str:
  return name.encode("unicode_escape").decode()


@functools.cache
def _log(text: str) -> None:
  _LOG.warning(text)
