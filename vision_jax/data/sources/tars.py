"""WebDataset's tars: images are read from where they lie in them."""

import json
import pathlib
import tarfile
from collections.abc import Iterator, Mapping, Sequence

from vision_jax.data.errors import DataError
from vision_jax.data.files import SUFFIXES
from vision_jax.data.sources.labelled import Labels
from vision_jax.data.sources.split_images import Slice, SlicedImages

_CLASS = (".cls", ".cls.txt", ".txt", ".json")
_KEYS = ("label", "cls", "class", "class_name", "label_name")
_SMALL = 2**20  # bytes of what tells a class, at most


def begins_as_examples(path: pathlib.Path) -> bool:
  """Whether a tar's first example has an image and what tells its class.

  Raises:
    DataError: if it cannot be read.
  """
  first = next(_examples(path), None)
  if first is None:
    return False
  return any(s in SUFFIXES for s in first[1]) and bool(_annotation(first[1]))


def read_tars(paths: Sequence[pathlib.Path], names: Sequence[str]) -> Labels:
  """Returns the examples of several tars.

  Args:
    paths: the tars' paths.
    names: names of the classes, which examples may give by number.

  Raises:
    DataError: for a tar that is cut short, an example without an image or a
      class, or a number beyond the names.
  """
  found, slices, classes = [], [], []
  for path in paths:
    for key, files in _examples(path):
      where = f"tar {path}: {key}"
      image = next((f for s, f in files.items() if s in SUFFIXES), None)
      given = _annotation(files)
      if image is None or given is None:
        raise DataError(
          f"{where} has {', '.join(files)}; expected an image, and .cls or "
          ".json for its class. Write the tar anew."
        )
      found.append(f"{key}")
      slices.append(image)
      classes.append(_class(given, _read(given[1]), names, where))
  return Labels(SlicedImages(found, slices), classes, tuple(names))


def _examples(
  path: pathlib.Path,
) -> Iterator[tuple[str, dict[str, Slice]]]:
  """Yields each example's key, and its files by their suffix."""
  key, files = None, {}
  for member in _members(path):
    pure = pathlib.PurePosixPath(member.name)
    stem, dot, suffix = pure.name.partition(".")
    own = str(pure.parent / stem)
    if own != key and files:
      yield key, files
      files = {}
    key = own
    files[(dot + suffix).lower()] = Slice(path, member.offset_data, member.size)
  if files:
    yield key, files


def _members(path: pathlib.Path) -> Iterator[tarfile.TarInfo]:
  """Yields the files of a tar that is not compressed, all of them whole."""
  size = path.stat().st_size
  try:
    with tarfile.open(path, "r:") as file:
      for member in file:
        if member.offset_data + member.size > size:
          raise tarfile.ReadError(f"{member.name} ends beyond the file")
        if member.isfile():
          yield member
      if file.offset + tarfile.BLOCKSIZE > size:
        raise tarfile.ReadError("the end is missing")
  except (tarfile.TarError, OSError, EOFError) as error:
    raise DataError(
      f"tar {path}: is not whole ({error}); expected a tar that is not "
      "compressed, with its end. Copy it anew."
    ) from error


def _annotation(files: Mapping[str, Slice]) -> tuple[str, Slice] | None:
  """Returns the suffix and the place of what tells the class."""
  return next(((s, files[s]) for s in _CLASS if s in files), None)


def _read(piece: Slice) -> str:
  with piece.path.open("rb") as file:
    file.seek(piece.start)
    return file.read(min(piece.size, _SMALL)).decode("utf-8", "replace").strip()


def _class(
  given: tuple[str, Slice], text: str, names: Sequence[str], where: str
) -> str:
  if given[0] == ".json":
    text = _of_json(text)
  if text.isdigit() and names:
    if int(text) >= len(names):
      raise DataError(
        f"{where} has the class {text}; expected 0 to {len(names) - 1}, as "
        f"there are {len(names)} names. Correct the names."
      )
    return names[int(text)]
  if not text:
    raise DataError(
      f"{where} has no class in its {given[0]}; expected a number or a name, "
      f"in json under one of {', '.join(_KEYS)}. Write the tar anew."
    )
  return text


def _of_json(text: str) -> str:
  try:
    content = json.loads(text)
  except ValueError:
    return ""
  content = content if isinstance(content, dict) else {"label": content}
  found = next((content[k] for k in _KEYS if k in content), "")
  return str(found) if isinstance(found, str | int) else ""
