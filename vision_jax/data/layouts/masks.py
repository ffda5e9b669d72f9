"""Images and their masks, matched by name."""

import functools
import pathlib
from collections.abc import Iterator

from vision_jax.data.errors import DataError
from vision_jax.data.files import (
  files_in,
  find_images,
  folders_in,
  has_images,
)
from vision_jax.data.found import MASKS, SPLITS, Found, Open, checked, split_of
from vision_jax.data.sources.masks import OBJECT_FILES, MaskFolder

_IMAGES = {
  *("images", "image", "imgs", "img", "jpegimages", "inputs", "input", "rgb"),
  "photos",
}
_MASKS = {
  *("masks", "mask", "labels", "label", "annotations", "segmentationclass"),
  *("gt", "groundtruth", "ground_truth", "targets", "target", "instances"),
  *("segmentation", "segmentations", "annot", "annots", "labelids"),
}
# What the name of a mask, or of its folder, has more than its image's.
_MARKS = (
  *("_mask", "_masks", "-mask", "_seg", "_segmentation", "_label", "_labels"),
  *("_gt", "annot", "_annot", "_l"),
)
_Pair = tuple[pathlib.Path, pathlib.Path, str]  # images, masks, the mark


def recognise(folder: pathlib.Path) -> Found | None:
  """Takes folders of images and of masks, or pairs in one folder."""
  splits = _by_split(folder)
  if splits:
    ordered = {s: splits[s] for s in SPLITS if s in splits}
    why = _why(folder, next(iter(ordered.values())))
    opened = {split: _open(*pair) for split, pair in ordered.items()}
    return Found("masks", MASKS, why, checked(opened, folder))
  pair = _pair(folder) or _beside(folder)
  if pair is None:
    _check_apart(folder)
    return None
  return Found("masks", MASKS, _why(folder, pair), _lists(folder, pair))


def _check_apart(folder: pathlib.Path) -> None:
  """Refuses a folder for each image, with its masks.

  Raises:
    DataError: saying what to do.
  """
  first = next(iter(folders_in(folder).values()), None)
  pair = _pair(first) if first and not split_of(first.name) else None
  if pair is None:
    return
  images, masks = (len(find_images(place).files) for place in pair[:2])
  if images == 1 < masks:
    raise DataError(f"mask folder {pair[1]}: {OBJECT_FILES}")
  raise DataError(
    f"data folder {folder}: has images and masks in each folder, as in "
    f"{first}; expected one folder of images and one of masks. Move them "
    "together, or give one of the folders."
  )


def _by_split(folder: pathlib.Path) -> dict[str, _Pair]:
  """Returns the pair of each split, in whichever order the folders nest."""
  inside = folders_in(folder)
  named = {split: path for n, path in inside.items() if (split := split_of(n))}
  found = {}
  for split, path in named.items():
    pair = _pair(path) or _marked(folder, path) or _beside(path)
    if pair:
      found[split] = pair
  if found or (pair := _pair(folder)) is None:
    return found
  images, masks = (
    {split_of(n): p for n, p in folders_in(place).items() if split_of(n)}
    for place in pair[:2]
  )
  both = [split for split in images if split in masks]
  return {s: (images[s], masks[s], _mark(images[s], masks[s])) for s in both}


def _pair(folder: pathlib.Path) -> _Pair | None:
  """Returns the one folder of images and the one of masks in a folder."""
  inside = folders_in(folder)
  kind = lambda names: [
    path
    for name, path in inside.items()
    if name.casefold() in names and has_images(path)
  ]
  images, masks = kind(_IMAGES), kind(_MASKS)
  if len(images) == len(masks) == 1:
    return (*images, *masks, _mark(*images, *masks))
  return None


def _marked(folder: pathlib.Path, images: pathlib.Path) -> _Pair | None:
  """Returns train and trainannot, or train and train_masks."""
  for mark in _MARKS:
    masks = folder / (images.name + mark)
    if masks.is_dir() and has_images(masks):
      return images, masks, _mark(images, masks)
  return None


def _beside(folder: pathlib.Path) -> _Pair | None:
  """Returns a folder whose images lie beside their masks."""
  mark = _mark(folder, folder)
  return (folder, folder, mark) if mark else None


def _mark(images: pathlib.Path, masks: pathlib.Path) -> str:
  """Returns what names of masks have more than those of images; "" none."""
  stems = lambda place: {p.stem for p in _first(place)}
  have, given = stems(images), stems(masks)
  if images != masks and have & given:
    return ""
  for mark in _MARKS:
    if any(stem.removesuffix(mark) in have - {stem} for stem in given):
      return mark
  return ""


def _first(place: pathlib.Path) -> Iterator[pathlib.Path]:
  yield from find_images(place, nested=False).files


def _lists(folder: pathlib.Path, pair: _Pair) -> dict[str, Open]:
  """Returns the splits that lists name; all are train's where none does."""
  for place in (folder, folder / "ImageSets" / "Segmentation"):
    files = files_in(place, ".txt") if place.is_dir() else []
    named = {s: path for path in files if (s := split_of(path.stem))}
    if named:
      order = {s: named[s] for s in SPLITS if s in named}
      return checked(
        {s: _open(*pair, names=p) for s, p in order.items()}, folder
      )
  return {"train": _open(*pair)}


def _open(
  images: pathlib.Path,
  masks: pathlib.Path,
  mark: str,
  names: pathlib.Path | None = None,
) -> Open:
  return functools.partial(MaskFolder, images, masks, mark=mark, names=names)


def _why(folder: pathlib.Path, pair: _Pair) -> str:
  images, masks, mark = pair
  if images == masks:
    return f"images beside their masks, named *{mark}"
  name = lambda path: path.relative_to(folder).as_posix()
  return f"images in {name(images)}, masks in {name(masks)}"
