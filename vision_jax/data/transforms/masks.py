"""Masks as targets: decoded, mapped to classes, and resized."""

import io
from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image

from vision_jax.data.bands import is_npy, stored
from vision_jax.data.errors import DataError, some
from vision_jax.data.images import check_png, resize_image
from vision_jax.data.orientation import noted, upright
from vision_jax.data.pickled import transform
from vision_jax.data.reading import PNG, check_pixels, reading
from vision_jax.data.source import Example
from vision_jax.data.transforms.base import Transform
from vision_jax.data.transforms.image import decoded

IGNORE = 255
_VALUES = 2**16  # of a mask's pixels
_MANY = 20  # values that are no class: more are no mistake of a table
# Formats that move values to their neighbours', always or as a rule.
_LOSSY = ("JPEG", "MPO", "JPEG2000", "AVIF")


@transform
def decode_target(
  num_classes: int,
  *,
  mask_values: Sequence[int] = (),
  ignore_values: Sequence[int] = (),
  objects: bool = False,
) -> Transform:
  """Decodes `target` to classes (h w) uint8, IGNORE where there is none.

  Goes after `decode`, whose image has to have the mask's size.

  Args:
    num_classes: k, 255 at most.
    mask_values: the value of each class in the masks; () for 0 ... k - 1.
    ignore_values: the values of pixels that do not count.
    objects: whether masks number single objects, by values or by colours:
      background, which is 0 or black, is class 0 and every object class 1.

  Raises:
    BadImage: if the mask is no whole image.
    DataError: naming the mask, if its size or a value does not fit.
  """
  if objects:
    _check_objects(num_classes, mask_values, ignore_values)
  values = tuple(mask_values) or tuple(range(num_classes))
  if bad := [v for v in (*values, *ignore_values) if not 0 <= v < _VALUES]:
    raise DataError(
      f"mask_values, ignore_values: got {some(bad)}; expected values of a "
      f"mask's pixels, 0 to {_VALUES - 1}."
    )
  if len(values) != num_classes or not 0 < num_classes <= IGNORE:
    raise DataError(
      f"mask_values: got {len(values)} for {num_classes} classes; expected one "
      f"for each class, and 1 to {IGNORE} classes."
    )
  twice = set(values) & set(ignore_values)
  if twice or len(set(values)) < len(values):
    raise DataError(
      f"mask_values: got {some(values)} and ignore_values "
      f"{some(ignore_values)}; expected every value once."
    )
  table = np.full(_VALUES, -1, np.int16)
  table[list(values)] = np.arange(num_classes)
  table[list(ignore_values)] = IGNORE

  def apply(example: Example, rng: np.random.Generator | None) -> Example:
    del rng
    example = dict(example)
    name = example.pop("target_name", f"of {example.get('name', 'an image')}")
    mask = example["target"]
    opened = open_mask if isinstance(mask, bytes) else _whole
    mask = opened(mask, name, objects)
    check_size(example.get("image"), mask, name)
    target = table[mask]
    if (target < 0).any():
      bad = [int(v) for v in np.unique(mask[target < 0])]
      raise DataError(_strange(name, bad, values, ignore_values))
    return example | {"target": target.astype(np.uint8)}

  return apply


@transform
def resize_with_target(size: tuple[int, int]) -> Transform:
  """Resizes `image` to (height, width), and `target` by its nearest pixels.

  The image is interpolated with antialiasing. Proportions may change.
  """

  def apply(example: Example, rng: np.random.Generator | None) -> Example:
    del rng
    image = decoded(example, "resize_with_target")
    new = example | {"image": resize_image(image, tuple(size))}
    if "target" in example:
      new["target"] = cv2.resize(
        example["target"],
        tuple(size)[::-1],
        interpolation=cv2.INTER_NEAREST_EXACT,
      )
    return new

  return apply


def open_mask(data: bytes, name: str, objects: bool = False) -> np.ndarray:
  """Decodes a mask to (h w) integers; a palette's are its indices.

  Those of `objects`, see `decode_target`, are 0 and 1. It is turned upright as
  an image is, if it has a note of its own.

  Raises:
    BadImage: if it is no whole image.
    DataError: if it is in a lossy format, or has no whole number a pixel.
  """
  return _whole(read_mask(data, name), name, objects)


def read_mask(data: bytes, name: str) -> np.ndarray:
  """Decodes a mask to (h w) or (h w c) in the file's type, upright.

  Raises:
    BadImage: if it is no whole image.
    DataError: if it is in a lossy format.
  """
  with reading(name, data):
    if is_npy(data):
      return stored(data)
    if data.startswith(PNG):
      check_png(data)  # Pillow reads pixels without their checksum
    with Image.open(io.BytesIO(data)) as image:
      check_pixels(*image.size[::-1])
      _check_lossless(image, data, name)
      mask = np.array(image)
      return upright(mask, noted(image))


def _check_lossless(image: Image.Image, data: bytes, name: str) -> None:
  kind = image.format
  lossy = kind in _LOSSY or (kind == "WEBP" and b"VP8L" not in data[:64])
  lossy |= kind == "TIFF" and image.info.get("compression") in ("jpeg", "webp")
  if lossy:
    raise DataError(
      f"mask {name}: is saved as {kind}, which changes pixels to save space, "
      "and so moves some to other classes; expected a lossless format. Export "
      "the masks anew as PNG; converting these keeps the damage."
    )


def _check_objects(num_classes, mask_values, ignore_values) -> None:
  given = [*mask_values, *ignore_values]
  if num_classes != 2 or given:
    raise DataError(
      f"objects: got {num_classes} classes"
      f"{f' and values {some(given)}' if given else ''}; expected two, "
      "background and object, without mask_values and ignore_values: of masks "
      "that number single objects every value but 0 is one."
    )


def _whole(mask: np.ndarray, name: str, objects: bool = False) -> np.ndarray:
  """Checks that a mask has one whole number for each pixel."""
  if objects:
    coloured = mask.ndim == 3
    opaque = coloured and mask.shape[-1] in (2, 4)
    colours = mask[..., :-1] if opaque else mask
    return (colours.any(-1) if coloured else colours != 0).astype(np.uint8)
  mask = mask[..., 0] if mask.ndim == 3 and mask.shape[-1] == 1 else mask
  if mask.ndim != 2:
    raise DataError(
      f"mask {name}: has {mask.shape[-1]} channels; expected one value for "
      "each pixel. Save it as grey or with a palette, not in colours; where "
      "each colour is an object, say --config.objects=true."
    )
  if mask.dtype == np.uint8:
    return mask
  with np.errstate(invalid="ignore"):  # NaN is no whole number
    whole = mask.astype(np.int64)
  if (whole != mask).any() or whole.min() < 0 or whole.max() >= _VALUES:
    raise DataError(
      f"mask {name}: has values from {mask.min()} to {mask.max()}; expected "
      "whole numbers from 0 to 65535."
    )
  return whole.astype(np.uint16)


def check_size(image: object, mask: np.ndarray, name: str) -> None:
  """Checks that a mask (h w) has its image's size, once that is decoded.

  Raises:
    DataError: naming the mask, if not.
  """
  if isinstance(image, np.ndarray) and image.shape[:2] != mask.shape:
    raise DataError(
      f"mask {name}: is {mask.shape[0]}x{mask.shape[1]} (height x width), its "
      f"image {image.shape[0]}x{image.shape[1]}; expected one size. Export the "
      "mask anew; images are turned as their EXIF orientation says."
    )


def _strange(name, bad, values, ignored) -> str:
  start = (
    f"mask {name}: has the values {some(bad, 12)}; expected {some(values, 12)}"
    f"{f' or, ignored, {some(ignored)}' if ignored else ''}. "
  )
  if len(bad) > _MANY:
    return start + (
      "So many others are those of an image, or of a mask that was resized "
      "smoothly or saved lossily: export the mask anew, as PNG. Where each "
      "value is an object, say --config.objects=true."
    )
  return start + (
    "Say which value each class has, as in --config.mask_values=0,255, and "
    "which do not count, as in --config.ignore_values=255."
  )
