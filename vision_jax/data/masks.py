"""Images with a mask each: a label for every pixel."""

import functools
import io
import os
import pathlib
from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image

from vision_jax.data.errors import BadImage, DataError
from vision_jax.data.files import (
  SUFFIXES,
  files_hash,
  find_images,
  plain_name,
  read_image,
  tell_left_out,
)
from vision_jax.data.images import resize_image
from vision_jax.data.source import Example
from vision_jax.data.transforms import Transform

IGNORE = 255
CAMVID_CLASSES = (
  *("sky", "building", "pole", "road", "pavement", "tree"),
  *("sign", "fence", "car", "pedestrian", "bicyclist"),
)
CAMVID_VOID = 11


class MaskFolder:
  """A folder of images and one of masks, matched by name without suffix.

  Folders inside count as part of the name. Masks without an image are left out.
  An example has `image` and `target`, encoded, and `target_name`, the mask's
  file, which `decode_target` takes out.

  Args:
    images: folder of the images, of any size.
    masks: folder of the masks, each of its image's size.

  Raises:
    DataError: on first use, if a folder or a mask is missing, or two files have
      one name.
  """

  def __init__(
    self, images: str | os.PathLike[str], masks: str | os.PathLike[str]
  ):
    self.images, self.masks = pathlib.Path(images), pathlib.Path(masks)

  @functools.cached_property
  def files(self) -> list[tuple[pathlib.Path, pathlib.Path]]:
    """(image, mask) of each example, sorted by name."""
    images, masks = _by_name(self.images), _by_name(self.masks)
    missing = sorted(set(images) - set(masks))
    if missing:
      names = ", ".join(str(images[name]) for name in missing[:3])
      raise DataError(
        f"mask folder {self.masks}: has no mask for {len(missing)} of "
        f"{len(images)} images: {names}{', ...' if len(missing) > 3 else ''}; "
        "expected a file of the same name, such as "
        f"{self.masks / missing[0]}.png. Add it, or remove the image."
      )
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
      seen |= {int(v) for v in np.unique(_open(mask.read_bytes(), str(mask)))}
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


def decode_target(
  num_classes: int,
  *,
  mask_values: Sequence[int] = (),
  ignore_values: Sequence[int] = (),
) -> Transform:
  """Decodes `target` to classes (h w) uint8, IGNORE where there is none.

  Goes after `decode`, whose image has to have the mask's size.

  Args:
    num_classes: k, 255 at most.
    mask_values: the value of each class in the masks; () for 0 ... k - 1.
    ignore_values: the values of pixels that do not count.

  Raises:
    BadImage: if the mask is no whole image.
    DataError: naming the mask, if its size or a value does not fit.
  """
  values = tuple(mask_values) or tuple(range(num_classes))
  if len(values) != num_classes or not 0 < num_classes <= IGNORE:
    raise DataError(
      f"mask_values: got {len(values)} for {num_classes} classes; expected one "
      f"for each class, and 1 to {IGNORE} classes."
    )
  twice = set(values) & set(ignore_values)
  if twice or len(set(values)) < len(values):
    raise DataError(
      f"mask_values: got {values} and ignore_values {tuple(ignore_values)}; "
      "expected every value once."
    )
  table = np.full(2**16, -1, np.int16)
  table[list(values)] = np.arange(num_classes)
  table[list(ignore_values)] = IGNORE

  def apply(example: Example, rng: np.random.Generator | None) -> Example:
    del rng
    example = dict(example)
    name = example.pop("target_name", f"of {example.get('name', 'an image')}")
    mask = example["target"]
    mask = _open(mask, name) if isinstance(mask, bytes) else _whole(mask, name)
    _check_size(example.get("image"), mask, name)
    target = table[mask]
    if (target < 0).any():
      bad = [int(v) for v in np.unique(mask[target < 0])]
      raise DataError(_strange(name, bad, values, ignore_values))
    return example | {"target": target.astype(np.uint8)}

  return apply


def resize_with_target(size: tuple[int, int]) -> Transform:
  """Resizes `image` to (height, width), and `target` by its nearest pixels.

  The image is interpolated with antialiasing. Proportions may change.
  """

  def apply(example: Example, rng: np.random.Generator | None) -> Example:
    del rng
    new = example | {"image": resize_image(example["image"], tuple(size))}
    if "target" in example:
      new["target"] = cv2.resize(
        example["target"],
        tuple(size)[::-1],
        interpolation=cv2.INTER_NEAREST_EXACT,
      )
    return new

  return apply


def keep(*keys: str) -> Transform:
  """Leaves out all but `keys`, and the name; batched."""

  def apply(example: Example, rng: np.random.Generator | None) -> Example:
    del rng
    wanted = {*keys, "name", "mask", "index"}
    return {k: x for k, x in example.items() if k in wanted}

  apply.batched = True
  return apply


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


def _by_name(folder: pathlib.Path) -> dict[str, pathlib.Path]:
  if not folder.is_dir():
    raise DataError(
      f"folder {folder}: {'is a file' if folder.exists() else 'does not exist'}"
      "; expected a folder of pictures. Check the path, --config.data_dir or "
      "VISION_JAX_DATA."
    )
  found = find_images(folder)
  if not found.files:
    raise DataError(
      f"folder {folder}: has no pictures; expected at least one of "
      f"{' '.join(sorted(SUFFIXES))}."
    )
  tell_left_out(folder, found.left_out)
  return found.by_stem()


def _read(image: pathlib.Path, mask: pathlib.Path) -> Example:
  return {
    "name": str(image),
    "target_name": str(mask),
    "image": read_image(image),
    "target": read_image(mask),
  }


def _open(data: bytes, name: str) -> np.ndarray:
  """Decodes a mask to (h w) integers; a palette's are its indices."""
  try:
    with Image.open(io.BytesIO(data)) as image:
      mask = np.array(image)
  except (OSError, SyntaxError, ValueError) as error:
    raise BadImage(name, f"no whole mask ({error})") from error
  return _whole(mask, name)


def _whole(mask: np.ndarray, name: str) -> np.ndarray:
  """Checks that a mask has one whole number for each pixel."""
  mask = mask[..., 0] if mask.ndim == 3 and mask.shape[-1] == 1 else mask
  if mask.ndim != 2:
    raise DataError(
      f"mask {name}: has {mask.shape[-1]} channels; expected one value for "
      "each pixel. Save it as grey or with a palette, not in colours."
    )
  if mask.dtype == np.uint8:
    return mask
  whole = mask.astype(np.int64)
  if (whole != mask).any() or whole.min() < 0 or whole.max() >= 2**16:
    raise DataError(
      f"mask {name}: has values from {mask.min()} to {mask.max()}; expected "
      "whole numbers from 0 to 65535."
    )
  return whole.astype(np.uint16)


def _check_size(image, mask: np.ndarray, name: str) -> None:
  if isinstance(image, np.ndarray) and image.shape[:2] != mask.shape:
    raise DataError(
      f"mask {name}: is {mask.shape[0]}x{mask.shape[1]} (height x width), its "
      f"image {image.shape[0]}x{image.shape[1]}; expected one size. Export the "
      "mask anew; images are turned as their EXIF orientation says."
    )


def _strange(name, bad, values, ignored) -> str:
  shown = ", ".join(map(str, bad[:12])) + (", ..." if len(bad) > 12 else "")
  return (
    f"mask {name}: has the values {shown}; expected "
    f"{', '.join(map(str, values[:12]))}{', ...' if len(values) > 12 else ''}"
    f"{f' or, ignored, {tuple(ignored)}' if ignored else ''}. Say which value "
    "each class has, as in --config.mask_values=0,255, and which do not count, "
    "as in --config.ignore_values=255."
  )
