"""YOLO's text files, one an image, with `data.yaml` or a list of classes."""

import functools
import pathlib
from collections.abc import Iterator, Mapping

from vision_jax.data.errors import DataError, some
from vision_jax.data.files import files_in, folders_in, has_images
from vision_jax.data.found import BOXES, SPLITS, Found, Open, checked, split_of
from vision_jax.data.sources.boxed import BoxedSource
from vision_jax.data.sources.yolo import read_names, read_split, read_yaml

_LISTS = ("classes.txt", "obj.names", "labels.txt", "classes.names")


def recognise(folder: pathlib.Path) -> Found | None:
  """Takes a folder whose yaml has `names`, or with labels and classes.txt."""
  for path in files_in(folder, ".yaml", ".yml"):
    if (content := read_yaml(path)) is not None:
      return _of_yaml(folder, path, content)
  for name in _LISTS:
    if (folder / name).is_file():
      return _of_list(folder, folder / name)
  return None


def _of_yaml(
  folder: pathlib.Path, path: pathlib.Path, content: Mapping[str, object]
) -> Found | None:
  names = read_names(path, content)
  given = {s: content[s] for s in content if split_of(str(s)) and content[s]}
  root = folder / str(content.get("path") or "")
  base = root if root.is_dir() else folder
  splits = {}
  for key, value in given.items():
    places = value if isinstance(value, list) else [value]
    found = [_inside(folder, base, str(place), path) for place in places]
    if all(found):
      splits[split_of(str(key))] = found
    elif split_of(str(key)) == "train":
      raise DataError(
        f"YOLO file {path}: names {some(places)} for {key}, which is not under "
        f"{folder}; expected a folder of images, or a list of their paths. "
        "Correct the file."
      )
  if not splits and not given:
    splits = _by_folders(folder)
  return _found(folder, checked(splits, folder), names, path.name)


def _of_list(folder: pathlib.Path, path: pathlib.Path) -> Found | None:
  names = tuple(path.read_text(encoding="utf-8-sig").split("\n"))
  names = tuple(name.strip() for name in names if name.strip())
  splits = _by_folders(folder)
  return _found(folder, splits, names, path.name) if splits else None


def _found(
  folder: pathlib.Path,
  splits: Mapping[str, list[pathlib.Path]],
  names: tuple[str, ...],
  given_by: str,
) -> Found:
  shown = (p.relative_to(folder).as_posix() for s in splits.values() for p in s)
  why = f"{given_by} with {len(names)} classes, images in {some(shown)}"
  order = [split for split in SPLITS if split in splits]
  opened = {s: _open(folder, s, splits[s], names) for s in order}
  return Found("yolo", BOXES, why, opened)


def _open(
  folder: pathlib.Path,
  split: str,
  places: list[pathlib.Path],
  names: tuple[str, ...],
) -> Open:
  load = functools.partial(read_split, folder, places, names)
  return functools.partial(BoxedSource, load, f"YOLO folder {folder}, {split}")


def _inside(
  folder: pathlib.Path, base: pathlib.Path, value: str, path: pathlib.Path
) -> pathlib.Path | None:
  """Returns the place that a yaml names, which exporters spell anyhow."""
  plain = value.replace("\\", "/")
  while plain.startswith(("../", "./")):  # Roboflow's leads out of its folder
    plain = plain.partition("/")[2]
  tails = plain.strip("/").split("/")
  for root in (base, folder, path.parent):
    for i in range(len(tails)):  # a path of another machine ends alike
      place = root.joinpath(*tails[i:])
      if place.is_file() or (place.is_dir() and place != root):
        return place
  return None


def _by_folders(folder: pathlib.Path) -> dict[str, list[pathlib.Path]]:
  """Returns the folders of images that have text files for them."""
  splits: dict[str, list[pathlib.Path]] = {}
  for split, images in _image_folders(folder):
    splits.setdefault(split, []).append(images)
  return splits


def _image_folders(
  folder: pathlib.Path,
) -> Iterator[tuple[str, pathlib.Path]]:
  inside = folders_in(folder)
  images, labels = inside.get("images"), inside.get("labels")
  if images and labels:
    parts = {s: p for n, p in folders_in(images).items() if (s := split_of(n))}
    yield from parts.items() if parts else [("train", images)]
    return
  for name, path in inside.items():
    if (split := split_of(name)) and "labels" in folders_in(path):
      yield split, folders_in(path).get("images", path)
  beside = [p for p in files_in(folder, ".txt") if p.name not in _LISTS]
  if beside and has_images(folder) and not inside:
    yield "train", folder
