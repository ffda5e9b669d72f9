"""Metrics of segmentation, all from one confusion matrix of the data set.

Row label, column prediction, in pixels. Counts are whole numbers: int32 for a
batch on the device, int64 for the data set on the host.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

import jax.numpy as jnp
import numpy as np

from vision_jax.core.checks import check_class_names
from vision_jax.core.types import Array, Batch
from vision_jax.errors import UserError
from vision_jax.metrics.boundaries import Boundaries
from vision_jax.metrics.confusion import device_confusion, host_confusion

IGNORE = 255
_POLICIES = ("skip", "zero", "one")


class OwnSize(Protocol):
  """The truth at its own size, by position in the data set."""

  def differs(self, size: tuple[int, int]) -> bool:
    """Whether an image's truth has another size (h, w) than `size`."""

  def __call__(
    self, index: int, guess: np.ndarray
  ) -> tuple[np.ndarray, np.ndarray]:
    """Returns the truth (h, w), and the prediction resized to it."""


@dataclasses.dataclass(frozen=True)
class Segmentation:
  """Mean intersection over union, Dice and accuracies.

  `out` has `target` (b, h, w), predicted classes; the batch `target` (b, h, w)
  and `mask` (b,). The metrics, fractions in [0, 1]:

  miou: mean over classes of intersection over union.
  dice: mean over classes of Dice, 2 |A and B| / (|A| + |B|), which is F1 of a
    class's pixels; of the whole data set, not a mean over images.
  class_accuracy: mean over the classes that occur in the truth of the part of
    their pixels that is right.
  global_accuracy: part of all pixels that is right.
  iou/NAME, dice/NAME: of each class, if class_names are given; absent ones by
    policy.
  accuracy/NAME: part of a class's pixels that is right, where it has some.
  boundary_f1, boundary_f1/NAME: of boundaries, see `Boundaries`.
  trimap_miou, trimap_iou/NAME: intersection over union near boundaries only.
  scored_height, scored_width: mean size of the masks that were compared.

  Attributes:
    num_classes: k.
    ignore: the label of pixels that do not count; None counts all.
    absent: what a class without a pixel in truth or prediction is for miou and
      dice: "skip" (left out, as torchmetrics does), "zero" or "one"
      (scikit-learn's zero_division).
    class_names: names in the order of the classes.
    boundary_pixels: tolerance of boundary F1, 2 as published; 0 for none.
    trimap_pixels: how near to a boundary the trimap's pixels are; 0 for none.
    own_size: the truth before it was resized to the batch's size. Where sizes
      differ predictions are kept as rows, (b, h, w), and counted on the host
      at the truth's size; otherwise, and with None, as they are.
  """

  num_classes: int
  ignore: int | None = IGNORE
  absent: str = "skip"
  class_names: Sequence[str] = ()
  boundary_pixels: int = 0
  trimap_pixels: int = 0
  own_size: OwnSize | None = None
  state: ClassVar[Any] = None

  def __post_init__(self):
    check_class_names("class_names", self.class_names)
    if self.absent not in _POLICIES:
      raise UserError(
        f"absent: got {self.absent!r}; expected one of {_POLICIES}."
      )
    if self.class_names and len(self.class_names) != self.num_classes:
      raise UserError(
        f"class_names: got {len(self.class_names)} for {self.num_classes} "
        "classes."
      )
    _ = self._edges  # checks its pixels

  @property
  def _edges(self) -> Boundaries:
    near = self.boundary_pixels, self.trimap_pixels
    return Boundaries(self.num_classes, self.ignore, *near)

  @property
  def names(self) -> tuple[str, ...]:
    """Names of the metrics that `result` may give."""
    classes = (f"{x}/{n}" for x in _BY_CLASS for n in self.class_names)
    near = self._edges.names(self.class_names)
    if self.trimap_pixels:
      near += tuple(f"trimap_iou/{name}" for name in self.class_names)
    return (*NAMES, *classes, *near, "scored_height", "scored_width")

  def measure(
    self, state: Any, out: Any, batch: Batch
  ) -> tuple[dict[str, Array], dict[str, Array]]:
    """Sums the matrix (k, k) and the labels that are no class, int32.

    Or returns the predictions as rows, see `own_size`.
    """
    del state
    truth, guess = batch["target"], out["target"]
    if truth.shape != guess.shape or truth.ndim != 3:
      raise UserError(
        f"target: got truth {truth.shape} and prediction {guess.shape}; "
        "expected both (b, h, w). Predictions have to cover the image."
      )
    if self.own_size is not None and self.own_size.differs(truth.shape[1:]):
      return {}, {"guess": guess}
    images = batch["mask"] > 0
    real = jnp.broadcast_to(images[:, None, None], truth.shape)
    truth, guess = truth.astype(jnp.int32), guess.astype(jnp.int32)
    if self.ignore is not None:
      real &= truth != self.ignore
    known = real & _within(truth, self.num_classes)
    known &= _within(guess, self.num_classes)
    matrix = device_confusion(truth, guess, known, self.num_classes)
    strange = jnp.sum(real & ~known, dtype=jnp.int32)
    size = jnp.array(truth.shape[1:], jnp.int32)
    count = jnp.sum(images, dtype=jnp.int32)
    sums = {"confusion": matrix, "strange": strange}
    sums |= self._edges.sums(truth, guess, known)
    return sums | {"size": count * size, "images": count}, {}

  def result(self, sums: Mapping, rows: Mapping) -> dict[str, float]:
    """Reads the metrics off the matrix.

    Raises:
      UserError: if labels or predictions were no class, or none counted.
    """
    if "guess" in rows:
      sums = self._own_sums(rows)
    if sums["strange"] > 0:
      raise UserError(
        f"target: {int(sums['strange'])} pixels are neither one of "
        f"{self.num_classes} classes nor {self.ignore}; correct the masks, map "
        "their values or choose `ignore`."
      )
    found = segmentation_metrics(
      sums["confusion"], absent=self.absent, class_names=self.class_names
    )
    height, width = sums["size"] / max(sums["images"], 1)
    found |= self._edges.f1(sums, self.class_names) | self._trimap(sums)
    return found | {
      "scored_height": float(height),
      "scored_width": float(width),
    }

  def _trimap(self, sums: Mapping) -> dict[str, float]:
    """IoU in the band; nothing where no pixel lies in it."""
    if not (self.trimap_pixels and np.any(sums["trimap"])):
      return {}
    iou = class_iou(sums["trimap"], absent=self.absent)
    each = zip(self.class_names, iou, strict=bool(self.class_names))
    found = {f"trimap_iou/{n}": float(x) for n, x in each if not np.isnan(x)}
    return {"trimap_miou": float(np.nanmean(iou))} | found

  def _own_sums(self, rows: Mapping) -> dict[str, Any]:
    """Sums over the truth at its own size."""
    k = self.num_classes
    matrix, size = np.zeros((k, k), np.int64), np.zeros(2)
    edges: dict[str, Any] = {}
    for index, guess in zip(rows["index"], rows["guess"], strict=True):
      truth, guess = self.own_size(int(index), guess)
      matrix += host_confusion(truth, guess, k, ignore=self.ignore)
      size += truth.shape
      near = self._edges.host_sums(truth, guess)
      edges = {name: edges.get(name, 0) + x for name, x in near.items()}
    images = len(rows["index"])
    sums = {"confusion": matrix, "strange": 0, "size": size, "images": images}
    return sums | edges


NAMES = ("miou", "dice", "class_accuracy", "global_accuracy")
_BY_CLASS = ("iou", "dice", "accuracy")


def segmentation_metrics(
  confusion: np.ndarray,
  *,
  absent: str = "skip",
  class_names: Sequence[str] = (),
) -> dict[str, float]:
  """Returns the means, and iou, dice and accuracy/NAME, see `Segmentation`.

  Args:
    confusion: (k, k) pixels, row label, column prediction.
    absent: "skip", "zero" or "one", see `Segmentation`.
    class_names: () gives no metrics by class.
  """
  counts = np.asarray(confusion, np.float64)
  truth, right = counts.sum(1), np.diag(counts)
  if not truth.sum() > 0:
    raise UserError("No pixel counts: all are ignored or of mask 0.")
  iou = class_iou(counts, absent=absent)
  has = truth > 0
  accuracy = np.where(has, right / np.where(has, truth, 1), np.nan)
  by_class = {"iou": iou, "dice": 2 * iou / (1 + iou), "accuracy": accuracy}
  found = {
    "miou": float(np.nanmean(iou)),
    "dice": float(np.nanmean(by_class["dice"])),
    "class_accuracy": float(np.mean(accuracy[has])),
    "global_accuracy": float(right.sum() / truth.sum()),
  }
  for what, values in by_class.items():
    for name, value in zip(class_names, values, strict=bool(class_names)):
      if not np.isnan(value):
        found[f"{what}/{name}"] = float(value)
  return found


def class_iou(confusion: np.ndarray, *, absent: str = "skip") -> np.ndarray:
  """Intersection over union of each class, (k,); NaN where it is skipped."""
  counts = np.asarray(confusion, np.float64)
  right = np.diag(counts)
  union = counts.sum(0) + counts.sum(1) - right
  empty = {"skip": np.nan, "zero": 0.0, "one": 1.0}[absent]
  return np.where(union > 0, right / np.where(union > 0, union, 1), empty)


def _within(x: Array, k: int) -> Array:
  return (x >= 0) & (x < k)
