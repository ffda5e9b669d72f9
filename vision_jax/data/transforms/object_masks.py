"""Masks of single objects on the host, each to the size of its image."""

import cv2
import numpy as np

from vision_jax.data import rle
from vision_jax.data.pickled import transform
from vision_jax.data.source import Example
from vision_jax.data.transforms.base import Transform
from vision_jax.data.transforms.boxes import inner_size


@transform
def object_masks(size: tuple[int, int], letterbox: bool = False) -> Transform:
  """Makes of `rle`, a mask for each box, `masks` (n, h, w) uint8, 0 or 1.

  By the nearest pixels, as the image is resized; one that vanishes stays, as an
  empty mask.

  Args:
    size: (h, w) that the image has.
    letterbox: whether it keeps its proportions, see `letterbox`.
  """

  def apply(example: Example, rng: np.random.Generator | None) -> Example:
    del rng
    example = dict(example)
    given = tuple(map(int, example["size"]))
    inner = inner_size(given, size) if letterbox else tuple(size)
    whole = rle.decoded(example.pop("rle"), given)
    masks = np.zeros((len(whole), *size), np.uint8)
    for mask, one in zip(masks, whole, strict=True):
      mask[: inner[0], : inner[1]] = cv2.resize(
        one, inner[::-1], interpolation=cv2.INTER_NEAREST_EXACT
      )
    return example | {"masks": masks}

  return apply
