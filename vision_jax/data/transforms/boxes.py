"""Boxes on the host: transforms to one static shape.

Sources give `boxes` (n, 4) float32 cxcywh in [0, 1] of the image, `label` (n,)
int32, `size` (2,) int32, the image's height and width, and where they know them
`crowd`, `ignore` and `area` (n,) float32, and `keypoints` (n, j, 3) float32, x
and y in [0, 1] and whether one is labelled, above 0. `pad_boxes` makes n the
same for all.
"""

from collections.abc import Sequence

import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.data.images import resize_image
from vision_jax.data.pickled import transform
from vision_jax.data.source import Example
from vision_jax.data.transforms.base import Transform
from vision_jax.data.transforms.image import decoded

MAX_BOXES = 100
PER_BOX = (
  *("boxes", "label", "crowd", "ignore", "area"),
  *("masks", "keypoints"),
)


def to_fractions(
  boxes: np.ndarray, size: np.ndarray | tuple[int, int]
) -> np.ndarray:
  """Turns xyxy pixels (n, 4) into cxcywh in [0, 1], float32.

  `size` is the height and width of the boxes' image, (2,) or (n, 2).
  """
  low, high = boxes[:, :2], boxes[:, 2:]
  both = np.concatenate([(low + high) / 2, high - low], 1)
  whole = np.asarray(size, np.float64)[..., ::-1]
  return (both / np.concatenate([whole, whole], -1)).astype(np.float32)


def to_pixels(
  boxes: np.ndarray, size: np.ndarray | tuple[int, int]
) -> np.ndarray:
  """Turns cxcywh in [0, 1] (n, 4) into xyxy pixels, float64.

  `size` is the height and width of the boxes' image, (2,) or (n, 2).
  """
  centre, side = np.split(np.asarray(boxes, np.float64), 2, 1)
  whole = np.asarray(size, np.float64)[..., ::-1]
  corners = (centre - side / 2) * whole, (centre + side / 2) * whole
  return np.concatenate(corners, 1)


@transform
def pad_boxes(max_boxes: int = MAX_BOXES) -> Transform:
  """Pads what there is one of for each box to `max_boxes`; adds `box_mask`.

  Raises:
    DataError: for an image with more boxes, saying how many it has.
  """
  if max_boxes < 1:
    raise DataError(f"max_boxes: got {max_boxes}; expected 1 or more.")

  def apply(example: Example, rng: np.random.Generator | None) -> Example:
    del rng
    n = len(example["boxes"])
    if n > max_boxes:
      raise DataError(
        f"{example.get('name', 'an image')}: has {n} boxes; expected "
        f"{max_boxes} at most. Pass --config.max_boxes={n} or more."
      )
    new = dict(example)
    for key in PER_BOX:
      if key in example:
        rows = np.asarray(example[key])
        new[key] = np.zeros((max_boxes, *rows.shape[1:]), rows.dtype)
        new[key][:n] = rows
    new["box_mask"] = (np.arange(max_boxes) < n).astype(np.float32)
    return new

  return apply


@transform
def record_size() -> Transform:
  """Adds `size` (2,) int32, the decoded image's height and width."""

  def apply(example: Example, rng: np.random.Generator | None) -> Example:
    del rng
    image = example["image"]
    if isinstance(image, bytes):
      raise DataError(
        f"record_size: {example.get('name', 'an image')} is still encoded; "
        "expected an array. Put decode() before it."
      )
    return example | {"size": np.array(image.shape[-3:-1], np.int32)}

  return apply


@transform
def check_size() -> Transform:
  """Checks that the decoded image has the `size` that its boxes refer to."""

  def apply(example: Example, rng: np.random.Generator | None) -> Example:
    del rng
    found, given = example["image"].shape[-3:-1], tuple(example["size"])
    if found != given:
      raise DataError(
        f"{example.get('name', 'an image')}: is {found[0]}x{found[1]} (height "
        f"x width), its annotation says {given[0]}x{given[1]}; expected one "
        "size. Correct the annotation; images are turned as their EXIF "
        "orientation says."
      )
    return example

  return apply


@transform
def letterbox(size: tuple[int, int], method: str = "bilinear") -> Transform:
  """Resizes `image` to fit into (height, width), keeping its proportions.

  What is left below or right of it is zero; `image_mask` (height, width) is 0
  there. Boxes, as fractions of the image without padding, stay as they are.
  """
  height, width = size

  def apply(example: Example, rng: np.random.Generator | None) -> Example:
    del rng
    image = decoded(example, "letterbox")
    *whole, c = image.shape
    inner = inner_size(whole, size)
    canvas = np.zeros((height, width, c), image.dtype)
    canvas[: inner[0], : inner[1]] = resize_image(image, inner, method)
    mask = np.zeros((height, width), np.float32)
    mask[: inner[0], : inner[1]] = 1
    return example | {"image": canvas, "image_mask": mask}

  return apply


def inner_size(whole: Sequence[int], size: tuple[int, int]) -> tuple[int, int]:
  """Returns the (height, width) of an image, `whole`, that fits into `size`."""
  factor = min(n / m for n, m in zip(size, whole, strict=True))
  fit = lambda n, most: min(max(round(n * factor), 1), most)
  return fit(whole[0], size[0]), fit(whole[1], size[1])
