"""Images with a mask each: a label for every pixel."""

import functools
import os
import pathlib
from collections.abc import Sequence

import numpy as np

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
from vision_jax.data.transforms.base import Transform
from vision_jax.data.transforms.masks import open_mask

CAMVID_CLASSES = (
  *("sky", "building", "pole", "road", "pavement", "tree"),
  *("sign", "fence", "car", "pedestrian", "bicyclist"),
)
CAMVID_VOID = 11
# What is said of masks that are not joined.
OBJECT_FILES = (
  "has a file for each object of one image; expected one mask for each image, "
  "named like it. Join them (the largest of the files' values, pixel by pixel, "
  "saved as PNG) into a folder of masks, and give that with "
  "--config.images=A --config.masks=B --config.objects=true."
)
MANY = 20  # values of masks that are listed
_CLASSES = 255  # at most


class MaskFolder(AsMade):
  """A folder of images and one of masks, matched by name without suffix.

  Folders inside count as part of the name. Masks without an image are left out.
  An example has `image` and `target`, encoded, and `target_name`, the mask's
  file, which `decode_target` takes out.

  Args:
    images: folder of the images, of any size.
    masks: folder of the masks, each of its image's size.
    mark: what a mask's name ends with, as in "_mask", beside its image's name.
      The two folders may then be one.
    names: file with the names of those to take, one a line; None takes all.
    what: what errors call a mask.

  Raises:
    DataError: on first use, if a folder or a mask is missing, or two files have
      one name.
  """

  def __init__(
    self,
    images: str | os.PathLike[str],
    masks: str | os.PathLike[str],
    *,
    mark: str = "",
    names: pathlib.Path | None = None,
    what: str = "mask",
  ):
    self.images, self.masks = pathlib.Path(images), pathlib.Path(masks)
    self.mark, self.names, self.what = mark, names, what

  @functools.cached_property
  def files(self) -> list[tuple[pathlib.Path, pathlib.Path]]:
    """(image, mask) of each example, sorted by name."""
    images, masks = _by_name(self.images), _by_name(self.masks)
    if self.mark:
      images = {k: p for k, p in images.items() if not k.endswith(self.mark)}
      masks = {
        name.removesuffix(self.mark): path
        for name, path in masks.items()
        if name.endswith(self.mark)
      }
    if self.names is not None:
      images = _listed(images, self.names)
    missing = sorted(set(images) - set(masks))
    if missing and any(k.startswith(f"{missing[0]}/") for k in masks):
      raise DataError(f"mask folder {self.masks / missing[0]}: {OBJECT_FILES}")
    if missing:
      names = ", ".join(str(images[name]) for name in missing[:3])
      raise DataError(
        f"{self.what} folder {self.masks}: has no {self.what} for "
        f"{len(missing)} of "
        f"{len(images)} images: {names}{', ...' if len(missing) > 3 else ''}; "
        "expected a file of the same name, such as "
        f"{self.masks / missing[0]}.png. Add it, or remove the image."
      )
    if self.names is None:
      alone = len(set(masks) - set(images))
      log_left_out(self.masks, {f"{self.what}s without an image": alone})
    return [(images[name], masks[name]) for name in sorted(images)]

  def __len__(self) -> int:
    return len(self.files)

  def read(self, indices: np.ndarray) -> list[Example]:
    """Returns encoded images and masks."""
    return [_read(*self.files[i]) for i in indices]

  def paths(self) -> list[str]:
    """Returns each image's path in its folder, as in "a/1.jpg"."""
    return [plain_name(self.images, image) for image, _ in self.files]

  def fingerprint(self) -> str:
    """Returns a hash of names, sizes and times of change."""
    images, masks = zip(*self.files, strict=True)
    masks = files_hash(self.masks, masks)
    return files_hash(self.images, images, masks)

  def values(self) -> list[int]:
    """Returns the values that occur in the masks; reads them all."""
    seen: set[int] = set()
    for _, mask in self.files:
      seen |= {
        int(v) for v in np.unique(open_mask(mask.read_bytes(), str(mask)))
      }
    return sorted(seen)

  def class_pixels(self, transform: Transform, k: int):
    """Counts for `median_frequency_weights`; reads all masks.

    Args:
      transform: `decode_target`.
      k: number of classes.

    Returns:
      (k,) pixels of each class, and (k,) known pixels of the images that have
      the class, int64.
    """
    pixels, present = np.zeros((2, k), np.int64)
    for _, mask in self.files:
      data = {"target": mask.read_bytes(), "target_name": str(mask)}
      counts = np.bincount(transform(data, None)["target"].ravel(), None, 256)
      pixels += counts[:k]
      present += np.where(counts[:k] > 0, counts[:k].sum(), 0)
    return pixels, present


def camvid(split: str, data_dir: str | os.PathLike[str] = "") -> MaskFolder:
  """CamVid as SegNet's authors released it: 367 / 101 / 233 images 360 x 480.

  Masks have CAMVID_CLASSES as 0 ... 10, and CAMVID_VOID.

  Args:
    split: "train", "val" or "test".
    data_dir: folder with images/SPLIT and masks/SPLIT; "" takes `camvid` in
      the folder that the environment variable VISION_JAX_DATA names.
  """
  if split not in ("train", "val", "test"):
    raise DataError(f"camvid: got split {split!r}; expected train, val, test.")
  root = os.environ.get("VISION_JAX_DATA", "")
  folder = pathlib.Path(data_dir or pathlib.Path(root) / "camvid")
  return MaskFolder(folder / "images" / split, folder / "masks" / split)


def are_classes(values: Sequence[int]) -> bool:
  """Whether the values of masks, sorted, say what they are: 0, 1, 2, ..."""
  return list(values) == list(range(len(values))) and len(values) <= _CLASSES


def gaps(masks: str, values: Sequence[int]) -> str:
  """Returns what is said of masks whose values are not 0, 1, 2, ..."""
  found = f"--config.masks: {masks} has the values {some(values, MANY)}"
  if len(values) > MANY:
    return (
      f"{found}; expected 0, 1, 2, ... without gaps. So many values are those "
      "of single objects, for which --config.objects=true takes all but 0 as "
      "one class; or of images, or of masks that were resized smoothly or "
      "saved lossily: export those anew, as PNG with a value a class. If "
      "each is a class, give all class_names and mask_values."
    )
  listed = ",".join(map(str, values))
  return (
    f"{found}; expected 0, 1, 2, ... without gaps. Say which value each class "
    f"has, as in --config.mask_values={listed}, and which do not count, as in "
    "--config.ignore_values=255; or give all class_names, if masks lack some."
  )


def _by_name(folder: pathlib.Path) -> dict[str, pathlib.Path]:
  if not folder.is_dir():
    raise DataError(
      f"folder {folder}: {'is a file' if folder.exists() else 'does not exist'}"
      "; expected a folder of images. Check the path, --config.data_dir or "
      "VISION_JAX_DATA."
    )
  found = find_images(folder)
  if not found.files:
    raise DataError(
      f"folder {folder}: has no images; expected at least one of "
      f"{' '.join(sorted(SUFFIXES))}."
    )
  log_left_out(folder, found.left_out)
  return found.by_stem()


def _listed(
  images: dict[str, pathlib.Path], names: pathlib.Path
) -> dict[str, pathlib.Path]:
  """Returns the images that a list names, with or without suffix."""
  lines = names.read_text(encoding="utf-8-sig").split("\n")
  given = [nfc(line.strip()) for line in lines if line.strip()]
  stem = lambda name: name.removesuffix(pathlib.PurePosixPath(name).suffix)
  chosen = [name if name in images else stem(name) for name in given]
  missing = [name for name in chosen if name not in images]
  if missing or not chosen:
    raise DataError(
      f"list {names}: names {some(missing) or 'nothing'}, for which there is "
      "no image; expected the name of one a line. Correct the list."
    )
  return {name: images[name] for name in chosen}


def _read(image: pathlib.Path, mask: pathlib.Path) -> Example:
  return {
    "name": str(image),
    "target_name": str(mask),
    "image": read_image(image),
    "target": read_image(mask),
  }
