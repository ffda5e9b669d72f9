"""Boxes on the host: what sources check, and transforms to one static shape.

Sources give `boxes` (n, 4) float32 cxcywh in [0, 1] of the image, `label` (n,)
int32, `size` (2,) int32, the image's height and width, and where they know them
`crowd`, `ignore` and `area` (n,) float32. `pad_boxes` makes n the same for all.
"""

import dataclasses
import logging
import threading
from collections.abc import Sequence

import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.data.images import resize_image
from vision_jax.data.source import Example
from vision_jax.data.transforms import Transform

MAX_BOXES = 100
_PER_BOX = ("boxes", "label", "crowd", "ignore", "area")
_TOLERANCE = 0.1  # pixels by which rounding may carry a box out of its image
_POLICIES = ("error", "clip", "drop")
_LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class BoxCheck:
  """What happens to boxes that cannot be right.

  Attributes:
    on_bad_box: "error"; "clip" cuts boxes to the image, and boxes without area
      stay errors; "drop" leaves out every bad box.
    bad: "file: box i" -> what is wrong, of those that were clipped or dropped.
  """

  on_bad_box: str = "error"
  bad: dict[str, str] = dataclasses.field(default_factory=dict, compare=False)
  _lock: threading.Lock = dataclasses.field(
    default_factory=threading.Lock, repr=False, compare=False
  )

  def __post_init__(self):
    if self.on_bad_box not in _POLICIES:
      raise DataError(
        f"on_bad_box: got {self.on_bad_box!r}; expected one of {_POLICIES}."
      )

  def __call__(
    self,
    boxes: Sequence[Sequence[float]],
    size: tuple[int, int],
    name: str,
    places: Sequence[str] | None = None,
  ) -> tuple[np.ndarray, np.ndarray]:
    """Checks an image's boxes.

    Args:
      boxes: (n, 4) xyxy in pixels.
      size: (height, width).
      name: what errors call the file.
      places: what they call each box in it; None for "box 0" and on.

    Returns:
      (n', 4) xyxy float64 that are left, and which they were, (n',) integers.
    """
    boxes = np.array(boxes, np.float64).reshape(-1, 4)
    kept, places = [], places or [f"box {i}" for i in range(len(boxes))]
    for i, box in enumerate(boxes):
      problem, where = _problem(box, size), f"{name}: {places[i]}"
      if problem is None:
        kept.append(i)
      elif self.on_bad_box == "clip" and (cut := _cut(box, size)) is not None:
        boxes[i] = cut
        kept.append(i)
        self._count(
          f"{name}: {places[i]}", f"{problem}; it was cut to the image"
        )
      elif self.on_bad_box == "drop":
        self._count(where, f"{problem}; it was left out")
      else:
        raise DataError(_message(where, box, problem, size))
    return boxes[kept], np.array(kept, np.int64)

  def _count(self, key: str, problem: str) -> None:
    with self._lock:
      new = key not in self.bad
      self.bad[key] = problem
    if new:
      _LOG.warning("%s %s", key, problem)


def _problem(box: np.ndarray, size: tuple[int, int]) -> str | None:
  """Says what is wrong with an xyxy box, None if nothing is."""
  h, w = size
  if not np.isfinite(box).all():
    return "has a coordinate that is not a number"
  if (box[2:] < box[:2]).any():
    return "has a negative width or height"
  if (box[2:] <= box[:2]).any():
    return "has no area"
  inside = np.array([w, h]) + _TOLERANCE
  if (box[:2] < -_TOLERANCE).any() or (box[2:] > inside).any():
    return "leaves the image"
  return None


def _cut(box: np.ndarray, size: tuple[int, int]) -> np.ndarray | None:
  h, w = size
  cut = np.clip(box, 0, [w, h, w, h])
  return cut if (cut[2:] > cut[:2]).all() else None  # NaN is not above


def _message(where, box, problem, size) -> str:
  return (
    f"{where} {problem}: x {box[0]:g} to {box[2]:g}, y {box[1]:g} to "
    f"{box[3]:g} in an image of {size[0]}x{size[1]} (height x width); expected "
    "corners inside it, the second below and right of the first. Correct the "
    "annotation, or pass --config.on_bad_box=drop (or clip)."
  )


def to_fractions(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
  """Turns xyxy pixels (n, 4) into cxcywh in [0, 1], float32."""
  h, w = size
  low, high = boxes[:, :2], boxes[:, 2:]
  both = np.concatenate([(low + high) / 2, high - low], 1)
  return (both / [w, h, w, h]).astype(np.float32)


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
    for key in _PER_BOX:
      if key in example:
        rows = np.asarray(example[key])
        new[key] = np.zeros((max_boxes, *rows.shape[1:]), rows.dtype)
        new[key][:n] = rows
    new["box_mask"] = (np.arange(max_boxes) < n).astype(np.float32)
    return new

  return apply


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
    return example | {"size": np.array(image.shape[:2], np.int32)}

  return apply


def check_size() -> Transform:
  """Checks that the decoded image has the `size` that its boxes refer to."""

  def apply(example: Example, rng: np.random.Generator | None) -> Example:
    del rng
    found, told = example["image"].shape[:2], tuple(example["size"])
    if found != told:
      raise DataError(
        f"{example.get('name', 'an image')}: is {found[0]}x{found[1]} (height "
        f"x width), its annotation says {told[0]}x{told[1]}; expected one "
        "size. Correct the annotation; images are turned as their EXIF "
        "orientation says."
      )
    return example

  return apply


def letterbox(size: tuple[int, int], method: str = "bilinear") -> Transform:
  """Resizes `image` to fit into (height, width), keeping its proportions.

  What is left below or right of it is zero; `image_mask` (height, width) is 0
  there. Boxes, as fractions of the image without padding, stay as they are.
  """
  height, width = size

  def apply(example: Example, rng: np.random.Generator | None) -> Example:
    del rng
    image = example["image"]
    h, w, c = image.shape
    factor = min(height / h, width / w)
    fit = lambda n, most: min(max(round(n * factor), 1), most)
    inner = (fit(h, height), fit(w, width))
    canvas = np.zeros((height, width, c), image.dtype)
    canvas[: inner[0], : inner[1]] = resize_image(image, inner, method)
    mask = np.zeros((height, width), np.float32)
    mask[: inner[0], : inner[1]] = 1
    return example | {"image": canvas, "image_mask": mask}

  return apply
