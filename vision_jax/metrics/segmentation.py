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
  scored_height, scored_width: mean size of the masks that were compared.

  Attributes:
    num_classes: k.
    ignore: the label of pixels that do not count; None counts all.
    absent: what a class without a pixel in truth or prediction is for miou and
      dice: "skip" (left out, as torchmetrics does), "zero" or "one"
      (scikit-learn's zero_division).
    class_names: names in the order of the classes.
    own_size: the truth before it was resized to the batch's size. Where sizes
      differ predictions are kept as rows, (b, h, w), and counted on the host
      at the truth's size; otherwise, and with None, as they are.
  """

  num_classes: int
  ignore: int | None = IGNORE
  absent: str = "skip"
  class_names: Sequence[str] = ()
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

  @property
  def names(self) -> tuple[str, ...]:
    """Names of the metrics that `result` may give."""
    classes = (f"{x}/{n}" for x in ("iou", "dice") for n in self.class_names)
    return (*NAMES, *classes, "scored_height", "scored_width")

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
    return found | {
      "scored_height": float(height),
      "scored_width": float(width),
    }

  def _own_sums(self, rows: Mapping) -> dict[str, Any]:
    """Sums over the truth at its own size."""
    k = self.num_classes
    matrix, size = np.zeros((k, k), np.int64), np.zeros(2)
    for index, guess in zip(rows["index"], rows["guess"], strict=True):
      truth, guess = self.own_size(int(index), guess)
      matrix += host_confusion(truth, guess, k, ignore=self.ignore)
      size += truth.shape
    images = len(rows["index"])
    return {"confusion": matrix, "strange": 0, "size": size, "images": images}


NAMES = ("miou", "dice", "class_accuracy", "global_accuracy")


def segmentation_metrics(
  confusion: np.ndarray,
  *,
  absent: str = "skip",
  class_names: Sequence[str] = (),
) -> dict[str, float]:
  """Returns miou, dice, accuracies, iou/NAME and dice/NAME, see `Segmentation`.

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
  by_class = {"iou": iou, "dice": 2 * iou / (1 + iou)}
  has = truth > 0
  found = {
    "miou": float(np.nanmean(iou)),
    "dice": float(np.nanmean(by_class["dice"])),
    "class_accuracy": float(np.mean(right[has] / truth[has])),
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
