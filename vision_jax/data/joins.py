"""How a group's examples become one: stacked, or a mosaic of four."""

from collections.abc import Sequence

import numpy as np

from vision_jax.data.errors import DataError, some
from vision_jax.data.pickled import transform
from vision_jax.data.source import Example
from vision_jax.data.transforms.base import check_alone, name_of
from vision_jax.data.transforms.boxes import PER_BOX, to_fractions, to_pixels
from vision_jax.data.transforms.image import decoded

_PLACED = (
  *("image", "target", "name", "size", "box_mask"),
  *(key for key in PER_BOX if key != "masks"),
)


@transform
def stacked(*keys: str):
  """Stacks examples on a new first axis, (n, ...): all keys, or `keys`.

  Where keys are named the others are the first example's.

  Raises:
    DataError: naming the example that has other keys, shapes or types.
  """

  def join(examples: Sequence[Example], rng: np.random.Generator) -> Example:
    del rng
    first = {k: x for k, x in examples[0].items() if k != "name"}
    arrays = {k: np.asarray(first[k]) for k in keys or first if k in first}
    for example in examples:
      _check_like(example, arrays, "stacked")
    together = {k: np.stack([x[k] for x in examples]) for k in arrays}
    return first | together

  return join


@transform
def mosaic(
  size: tuple[int, int],
  *,
  centre: tuple[float, float] = (0.25, 0.75),
  visible: float = 0.1,
  fill: int = 114,
  ignore: int = 255,
  probability: float = 1.0,
):
  """Puts four images around a point drawn at random: YOLOv4's mosaic.

  https://arxiv.org/abs/2004.10934. Each image touches the point with a corner
  and is cut at the canvas; what none covers is `fill`. Images keep their scale,
  which is for transforms before. Boxes, without padding, move along and are cut
  to what is seen; put `pad_boxes` after.

  Args:
    size: (height, width) of the canvas.
    centre: least and largest place of the point, a part of each side.
    visible: part of a box's area that has to be left of it.
    fill: of the image where there is none.
    ignore: of the target there.
    probability: how often; else the first image is in the canvas's corner.

  Raises:
    DataError: if examples do not fit, or have what a mosaic has no place for.
  """
  if min(size) < 2 or not 0 <= centre[0] <= centre[1] <= 1:
    raise DataError(
      f"mosaic: got size {size} and centre {centre}; expected 2 pixels or more "
      "a side, and parts of a side, 0 <= least <= largest <= 1."
    )
  if not 0 <= probability <= 1:
    raise DataError(f"mosaic: got probability {probability}; expected 0 to 1.")

  def join(examples: Sequence[Example], rng: np.random.Generator) -> Example:
    if len(examples) != 4:
      raise DataError(f"mosaic: got {len(examples)} examples; expected 4.")
    y, x = (round(n * rng.uniform(*centre)) for n in size)
    alone = probability < 1 and rng.random() >= probability
    image = decoded(examples[0], "mosaic")
    canvas = np.full((*size, image.shape[-1]), fill, image.dtype)
    target = np.full(size, ignore, np.uint8)
    boxes = []
    for corner, example in enumerate(examples[:1] if alone else examples):
      _check(example, examples[0])
      image = decoded(example, "mosaic")
      h, w = image.shape[:2]
      offset = (y - h * (corner < 2), x - w * (corner % 2 == 0))
      offset = (0, 0) if alone else offset
      there, here = _windows(offset, (h, w), size)
      canvas[there] = image[here]
      if "target" in example:
        target[there] = example["target"][here]
      if "boxes" in example:
        boxes.append(_moved(example, offset, size, visible))
    joined = {"image": canvas, "size": np.array(size, np.int32)}
    if "target" in examples[0]:
      joined["target"] = target
    for key in boxes[0] if boxes else ():
      joined[key] = np.concatenate([part[key] for part in boxes])
    return joined

  return join


def _windows(
  offset: tuple[int, int], shape: tuple[int, int], size: tuple[int, int]
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
  """Returns where an image lies on the canvas, and what of it does."""
  there, here = [], []
  for start, n, m in zip(offset, shape, size, strict=True):
    low, high = max(start, 0), max(min(start + n, m), 0)
    there.append(slice(low, high))
    here.append(slice(low - start, high - start))
  return tuple(there), tuple(here)


def _moved(
  example: Example,
  offset: tuple[int, int],
  size: tuple[int, int],
  visible: float,
) -> Example:
  """Returns what an example has for each box that is seen on the canvas."""
  per_box = {k: np.asarray(example[k]) for k in PER_BOX if k in example}
  if "box_mask" in example:
    real = np.asarray(example["box_mask"]) > 0
    per_box = {k: x[real] for k, x in per_box.items()}
  corners = to_pixels(per_box["boxes"], example["image"].shape[:2])
  moved = [x + offset[::-1] for x in np.split(corners, 2, 1)]
  cut = [np.clip(x, 0, size[::-1]) for x in moved]
  whole, left = (np.prod(b - a, 1) for a, b in (moved, cut))
  part = left / np.where(whole > 0, whole, 1)
  keep = (left > 0) & (part >= visible)
  per_box["boxes"] = to_fractions(np.concatenate(cut, 1), size)
  if "area" in per_box:
    per_box["area"] = (per_box["area"] * part).astype(np.float32)
  if "keypoints" in per_box:
    scale = np.array([example["image"].shape[1::-1], size[::-1]])
    per_box["keypoints"] = _moved_points(per_box["keypoints"], offset, *scale)
  return {k: x[keep] for k, x in per_box.items()}


def _moved_points(
  points: np.ndarray,
  offset: tuple[int, int],
  whole: np.ndarray,
  canvas: np.ndarray,
) -> np.ndarray:
  """Returns keypoints (n, j, 3) on the canvas, 0 where they have left it.

  Both sizes are width and height.
  """
  place = (points[..., :2] * whole + offset[::-1]) / canvas
  seen = ((place >= 0) & (place <= 1)).all(-1) & (points[..., 2] > 0)
  moved = np.concatenate([place, points[..., 2:]], -1)
  return np.where(seen[..., None], moved, 0).astype(np.float32)


def _check(example: Example, first: Example) -> None:
  """Checks that a mosaic has a place for all that an example has."""
  check_alone(example, "mosaic", [k for k in example if k not in _PLACED])
  image, like = decoded(example, "mosaic"), decoded(first, "mosaic")
  keys = lambda x: {*x} - {"name", "size"}
  if keys(example) != keys(first):
    raise DataError(_unlike(example, "mosaic", keys(example), keys(first)))
  kinds = [(x.shape[-1], str(x.dtype)) for x in (image, like)]
  if kinds[0] != kinds[1]:
    raise DataError(_unlike(example, "mosaic", *kinds))


def _check_like(example: Example, arrays: Example, what: str) -> None:
  kind = lambda x: {
    k: (np.shape(x[k]), str(np.asarray(x[k]).dtype)) for k in arrays if k in x
  }
  if kind(example) != kind(arrays):
    raise DataError(_unlike(example, what, kind(example), kind(arrays)))


def _unlike(example: Example, what: str, got: object, expected: object) -> str:
  shown = lambda x: some(sorted(x)) if isinstance(x, set) else x
  return (
    f"{what}: {name_of(example)} has {shown(got)}; expected {shown(expected)}, "
    "as the first of its group. Give the group's transforms one that makes "
    "them alike, such as decode() or resize((h, w))."
  )
