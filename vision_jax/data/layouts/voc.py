"""Pascal VOC's annotations: an xml for each image, with or without lists."""

import functools
import pathlib
from typing import NamedTuple

from vision_jax.data.files import files_in, find_images, folders_in
from vision_jax.data.found import BOXES, SPLITS, Found, Open, checked, split_of
from vision_jax.data.sources.voc import VocSource

_HEAD = 2000  # bytes of a file that tell what it is
_IMAGES = ("jpegimages", "images", "image", "imgs", "img")


class _Place(NamedTuple):
  """Where a folder has its annotations, and its images."""

  root: pathlib.Path
  annotations: pathlib.Path
  images: pathlib.Path

  @property
  def why(self) -> str:
    if self.annotations == self.images:
      return "*.xml beside the images"
    images = self.images.relative_to(self.root)
    return f"{self.annotations.name}/*.xml with images in {images}"

  def open(self, split: str, lists: pathlib.Path | None = None) -> Open:
    return functools.partial(
      VocSource,
      self.root,
      split,
      images=self.images,
      annotations=self.annotations,
      lists=lists,
    )


def recognise(folder: pathlib.Path) -> Found | None:
  """Takes xml of VOC's form in a folder, or in those of its splits."""
  place = _place(folder)
  if place is not None:
    splits, lists = _lists(place)
    why = place.why + (f", lists in {lists}" if lists else ", no split lists")
    return Found("voc", BOXES, why, splits)
  parts = {
    split: inside
    for name, path in folders_in(folder).items()
    if (split := split_of(name)) and (inside := _place(path))
  }
  if not parts:
    return None
  places = checked({s: parts[s] for s in SPLITS if s in parts}, folder)
  names = ", ".join(place.root.name for place in places.values())
  why = f"{names}/ with {next(iter(places.values())).why}"
  splits = {split: place.open("") for split, place in places.items()}
  return Found("voc", BOXES, why, splits)


def _place(folder: pathlib.Path) -> _Place | None:
  inside = folders_in(folder)
  others = [path for name, path in inside.items() if not split_of(name)]
  for annotations in (folder, *others):
    if not any(map(_is_voc, files_in(annotations, ".xml")[:1])):
      continue
    rank = lambda p: (p.name.casefold() not in _IMAGES, p.name)
    for images in (annotations, folder, *sorted(others, key=rank)):
      if find_images(images, nested=False).files:
        return _Place(folder, annotations, images)
  return None


def _is_voc(path: pathlib.Path) -> bool:
  with path.open("rb") as file:
    return b"<annotation>" in file.read(_HEAD)


def _lists(place: _Place) -> tuple[dict[str, Open], str]:
  """Returns what opens each split, and the folder of their lists."""
  for lists in (place.root / "ImageSets" / "Main", place.root):
    files = files_in(lists, ".txt") if lists.is_dir() else []
    names = [path.stem for path in files]
    known = [n for n in names if split_of(n) or n in ("trainval", "default")]
    if not known:
      continue
    opened = {split_of(n) or n: place.open(n, lists) for n in known}
    if "train" not in opened and {"trainval", "default"} & {*opened}:
      opened["train"] = opened.get("trainval") or opened["default"]
    order = [s for s in (*SPLITS, "trainval") if s in opened]
    where = lists.relative_to(place.root).as_posix()
    return checked({s: opened[s] for s in order}, place.root), where
  return {"train": place.open("")}, ""
