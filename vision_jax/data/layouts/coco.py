"""COCO's json: a file for each split or for all, its images anywhere."""

import functools
import pathlib
import re
from collections.abc import Sequence

from vision_jax.data.errors import DataError, some
from vision_jax.data.files import files_in, folders_in
from vision_jax.data.found import BOXES, Found, Open, by_split, split_of
from vision_jax.data.sources.coco import CocoSource
from vision_jax.data.sources.coco_file import read_coco

_PART = 2**16  # bytes at both ends of a file that tell what it is
_KEYS = (b'"images"', b'"annotations"', b'"categories"')
_FILE_NAME = re.compile(rb'"file_name"\s*:\s*"([^"\\]+)"')


def recognise(folder: pathlib.Path) -> Found | None:
  """Takes files of COCO's form in a folder and those in it.

  Beside `instances_*.json` others are of other tasks.
  """
  inside = folders_in(folder).values()
  files = [p for at in (folder, *inside) for p in files_in(at, ".json")]
  files = [path for path in files if _is_coco(path)]
  named = [path for path in files if path.name.startswith("instances_")]
  files = named or files
  if not files:
    return None
  splits = by_split(folder, files, "the COCO file")
  for split, several in splits.items():
    if len(several) > 1:
      names = some(path.relative_to(folder) for path in several)
      raise DataError(
        f"data folder {folder}: {names} are all of {split}; expected one COCO "
        "file for each split. Move the others elsewhere."
      )
  shown = some(path.relative_to(folder).as_posix() for path in files)
  opened = {
    split: _open(folder, path, split) for split, (path,) in splits.items()
  }
  return Found("coco", BOXES, shown, opened)


def _is_coco(path: pathlib.Path) -> bool:
  head, tail = _ends(path)
  begins = head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")
  return begins and sum(key in head + tail for key in _KEYS) >= 2


def _ends(path: pathlib.Path) -> tuple[bytes, bytes]:
  with path.open("rb") as file:
    head = file.read(_PART)
    file.seek(max(path.stat().st_size - _PART, 0))
    return head, file.read(_PART)


def _open(folder: pathlib.Path, path: pathlib.Path, split: str) -> Open:
  images = _images(folder, path, split)
  opened = functools.partial(CocoSource, path, images, root=folder)
  return functools.partial(_in_pixels, opened)


def _in_pixels(opened: Open, *, one_based: bool = False, **given: object):
  del one_based  # COCO's boxes have a width and a height
  return opened(**given)


def _images(
  folder: pathlib.Path, path: pathlib.Path, split: str
) -> pathlib.Path:
  """Returns the folder that the file's names are seen from."""
  name = _first_name(path)
  places = list(_places(folder, path, split))
  for place in places:
    if name is None or (place / name).exists():
      return place
  raise DataError(
    f"COCO file {path}: names the image {name!r}, which is in none of "
    f"{some(places)}; expected it in one of them. Move the images there, or "
    "correct file_name."
  )


def _places(
  folder: pathlib.Path, path: pathlib.Path, split: str
) -> Sequence[pathlib.Path]:
  around = folders_in(folder)
  nested = {
    name: below
    for outer in around.values()
    for name, below in folders_in(outer).items()
  }
  same = [
    p for n, p in (*around.items(), *nested.items()) if split_of(n) == split
  ]
  same += [p / "images" for p in same]
  rest = [p for p in around.values() if p != path.parent]
  # The file's name may be that of the folder: instances_val2017, val2017.
  same.sort(key=lambda place: not path.stem.endswith(place.name))
  return [path.parent, *same, folder, *rest]


def _first_name(path: pathlib.Path) -> str | None:
  head, tail = _ends(path)
  if found := _FILE_NAME.search(head) or _FILE_NAME.search(tail):
    return found[1].decode("utf-8", "replace")
  return next(iter(read_coco(path).file_names), None)
