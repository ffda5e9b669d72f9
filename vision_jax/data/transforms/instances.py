"""Masks that number single objects, decoded; levels of images, stretched."""

import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.data.pickled import transform
from vision_jax.data.source import Example
from vision_jax.data.transforms.base import Transform, name_of
from vision_jax.data.transforms.image import decoded
from vision_jax.data.transforms.masks import check_size, read_mask

_IDS = 2**16  # numbers of objects are below it


@transform
def decode_instances() -> Transform:
  """Makes of `target`, a mask's file, `instances` (h w) int32.

  0 is background, each object has a number of its own, and numbers may be left
  out. An example that has `instances` keeps them. Goes after `decode`, whose
  image has to have the mask's size.

  Raises:
    BadImage: if the mask is no whole image.
    DataError: naming the mask, if it is no map of whole numbers below 2^16.
  """

  def apply(example: Example, rng: np.random.Generator | None) -> Example:
    del rng
    example = dict(example)
    name = example.pop("target_name", f"of {name_of(example)}")
    mask = example.pop("target", None)
    if "instances" in example:
      return example
    if mask is None:
      raise DataError(
        f"decode_instances: {name_of(example)} has no mask; expected `target` "
        "or `instances`."
      )
    numbers = read_mask(mask, name) if isinstance(mask, bytes) else mask
    numbers = _numbered(np.asarray(numbers), name)
    check_size(example.get("image"), numbers, name)
    return example | {"instances": numbers}

  return apply


@transform
def stretch_levels(low: float = 1.0, high: float = 99.8) -> Transform:
  """Stretches `image` so that two percentiles become black and white: uint8.

  They are of all its pixels and channels; what lies beyond is clipped. So
  images of other exposures look alike. One of a single level becomes black.

  Args:
    low, high: percentiles, 0 to 100.
  """
  if not 0 <= low < high <= 100:
    raise DataError(
      f"stretch_levels: got {low} and {high}; expected two percentiles, 0 to "
      "100, the lower first."
    )

  def apply(example: Example, rng: np.random.Generator | None) -> Example:
    del rng
    image = decoded(example, "stretch_levels")
    black, white = np.percentile(image, (low, high))
    span = max(white - black, np.finfo(np.float32).tiny)
    levels = (image.astype(np.float32) - np.float32(black)) / np.float32(span)
    pixels = np.round(255 * np.clip(levels, 0, 1)).astype(np.uint8)
    return example | {"image": pixels}

  return apply


def _numbered(mask: np.ndarray, name: str) -> np.ndarray:
  """Checks that a mask has a number of an object for each pixel."""
  mask = mask[..., 0] if mask.ndim == 3 and mask.shape[-1] == 1 else mask
  if mask.ndim != 2:
    raise DataError(
      f"mask {name}: has the shape {mask.shape}; expected one number for each "
      "pixel, of the object that it belongs to. Save it as grey of 8 or 16 "
      "bits, not in colours."
    )
  if mask.dtype.kind not in "bui":
    raise DataError(
      f"mask {name}: has pixels of the type {mask.dtype}; expected whole "
      "numbers, one for each object. Save it as grey of 8 or 16 bits."
    )
  if mask.size and not 0 <= mask.min() <= mask.max() < _IDS:
    raise DataError(
      f"mask {name}: has numbers from {mask.min()} to {mask.max()}; expected 0 "
      f"to {_IDS - 1}. Number the objects anew, from 1 on."
    )
  return mask.astype(np.int32)
