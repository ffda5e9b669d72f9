"""A folder for each class, in a folder for each split or without."""

import functools
import pathlib

from vision_jax.data.errors import DataError, some
from vision_jax.data.files import folders_in, has_images
from vision_jax.data.found import LABELS, Found, split_of
from vision_jax.data.sources.folders import ImageFolder, split_folders

# Folders of other layouts, which name no class.
_PARTS = {
  *("images", "image", "imgs", "img", "jpegimages", "imagesets", "labels"),
  *("label", "masks", "mask", "annotations", "annotation", "annots", "xmls"),
  *("segmentationclass", "segmentationobject", "instances", "targets"),
  *("gt", "groundtruth", "ground_truth", "segmentation", "segmentations"),
}


def recognise(folder: pathlib.Path) -> Found | None:
  """Takes folders with images, or such in folders that are named as splits.

  A folder of another layout, such as `images`, and one of a split that has
  images alone, are no class by themselves.
  """
  children = folders_in(folder)
  inside = [path for name, path in children.items() if split_of(name)]
  if not any(_classes(path) for path in (folder, *inside)):
    return None
  splits = split_folders(folder)
  names = _classes(splits["train"])
  parts = folders_in(splits["train"] / names[0]) if names else {}
  if sum(map(_is_part, parts)) > 1:  # an image and its masks in each folder
    return None
  if len(names) < 2:
    raise DataError(
      f"data folder {splits['train']}: of folders with images it has "
      f"{some(names) or 'none'}; expected two or more, one for each class, or "
      "another layout. Put each class's images into a folder named like it."
    )
  where = f"{some(path.name for path in splits.values())}/ with "
  where = "" if splits == {"train": folder} else where
  return Found(
    "class_folders",
    LABELS,
    f"{where}a folder for each of {len(names)} classes, {some(names, 4)}",
    {split: functools.partial(ImageFolder, p) for split, p in splits.items()},
  )


def _classes(folder: pathlib.Path) -> list[str]:
  """Returns the folders in it that may be classes."""
  return [
    name
    for name, path in folders_in(folder).items()
    if not split_of(name) and not _is_part(name) and has_images(path)
  ]


def _is_part(name: str) -> bool:
  folded = name.casefold()
  return folded in _PARTS or folded.endswith(("annot", "_masks", "_labels"))
