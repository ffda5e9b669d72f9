"""Panoptic quality: things one by one and stuff by class, in one measure.

Kirillov et al., 2019, https://arxiv.org/abs/1801.00868.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vision_jax.core.checks import check_class_names
from vision_jax.core.types import Array, Batch
from vision_jax.errors import UserError
from vision_jax.ops.instances import IDS
from vision_jax.ops.shapes import check_shape

VOID = -1  # the segment of what does not count


@dataclasses.dataclass(frozen=True)
class PanopticQuality:
  """Panoptic quality with its factors, over classes that are things or stuff.

  `out` has `panoptic` (b, h, w, 2), integers: of each pixel the class and the
  number of its object, below 2^16. The batch has `target` (b, h, w), the
  classes, and `instances` (b, h, w), the numbers, which count for things alone:
  stuff is one segment a class. Classes that are none of the k are void: pixels
  that are void in the truth do not count, and neither does a wrong segment that
  is mostly there. Void that is predicted excuses nothing (in torchmetrics it
  does). Segments match where their class is the same and their intersection
  over union above a half.

  pq, sq, rq: means over the classes that occur, of a class's sum of IoU over
    TP + (FP + FN) / 2, mean IoU of the matches, and F1.
  pq_things, pq_stuff: of these classes alone; left out where there is none.
  pq_class/NAME: of each class that occurs, with `per_class`.

  Attributes:
    class_names: k names.
    things: the classes whose objects are told apart.
    modified: whether stuff counts as Porzi et al. (2019,
      https://arxiv.org/abs/1905.01220) have it: any overlap matches, and its
      IoU is divided by the true segments.
    per_class: whether each class's quality is returned.
  """

  class_names: Sequence[str]
  things: Sequence[int]
  modified: bool = False
  per_class: bool = False
  state: Any = ()

  def __post_init__(self):
    check_class_names("class_names", self.class_names)
    if unknown := set(self.things) - set(range(len(self.class_names))):
      raise UserError(
        f"things: got {sorted(unknown)[0]}; expected some of the classes, 0 to "
        f"{len(self.class_names) - 1}."
      )

  @property
  def names(self) -> tuple[str, ...]:
    """Names of the metrics that `result` may give."""
    names = self.class_names if self.per_class else ()
    classes = (f"pq_class/{name}" for name in names)
    return ("pq", "sq", "rq", "pq_things", "pq_stuff", *classes)

  def measure(
    self, state: Any, out: Mapping[str, Array], batch: Batch
  ) -> tuple[dict[str, Array], dict[str, Array]]:
    """Returns no sums, and the maps of both sides as rows."""
    del state
    b, h, w = check_shape("target", batch["target"], "b h w")
    check_shape("instances", batch["instances"], f"{b} {h} {w}")
    check_shape("panoptic", out["panoptic"], f"{b} {h} {w} 2")
    return {}, {
      "found_class": out["panoptic"][..., 0],
      "found_number": out["panoptic"][..., 1],
      "true_class": batch["target"],
      "true_number": batch["instances"],
    }

  def result(
    self, sums: Mapping[str, Any], rows: Mapping[str, np.ndarray]
  ) -> dict[str, float]:
    """Returns the metrics.

    Raises:
      UserError: if no class occurs in truth or prediction.
    """
    del sums
    total = np.zeros((4, len(self.class_names)))
    truth, found = (
      self._segments(rows[f"{side}_class"], rows[f"{side}_number"])
      for side in ("true", "found")
    )
    for one, other in zip(truth, found, strict=True):
      total += self._counted(one, other)
    iou, right, wrong, missed = total
    whole = right + (wrong + missed) / 2
    there = whole > 0
    if not there.any():
      raise UserError(
        "panoptic: no pixel has a class; expected maps of the classes 0 to "
        f"{len(self.class_names) - 1}. Check the targets."
      )
    sq, rq = iou / np.maximum(right, 1), right / np.maximum(whole, 0.5)
    return self._named(sq * rq, sq, rq, there)

  def _named(
    self, pq: np.ndarray, sq: np.ndarray, rq: np.ndarray, there: np.ndarray
  ) -> dict[str, float]:
    """Returns the metrics of all classes (k,) by their names."""
    things = np.isin(np.arange(len(there)), self.things)
    named = {"pq": pq[there], "sq": sq[there], "rq": rq[there]}
    named |= {"pq_things": pq[there & things], "pq_stuff": pq[there & ~things]}
    if self.per_class:
      names = zip(self.class_names, pq, there, strict=True)
      named |= {f"pq_class/{n}": x for n, x, real in names if real}
    return {k: float(np.mean(x)) for k, x in named.items() if np.size(x)}

  def _segments(self, label: np.ndarray, number: np.ndarray) -> np.ndarray:
    """Numbers the segments of maps: class times 2^16, and a thing's number."""
    label = np.asarray(label, np.int64)
    thing = np.isin(label, self.things)
    segments = label * IDS + np.where(thing, number, 0)
    known = (label >= 0) & (label < len(self.class_names))
    return np.where(known, segments, VOID)

  def _counted(self, truth: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Returns the sums of IoU, and TP, FP and FN of each class, (4, k)."""
    areas = [dict(zip(*_counts(x), strict=True)) for x in (truth, found)]
    pairs, count = _counts(np.stack([truth.ravel(), found.ravel()]), axis=1)
    both = {(int(a), int(b)): n for a, b, n in zip(*pairs, count, strict=True)}
    total, matched = np.zeros((4, len(self.class_names))), (set(), set())
    for (a, b), n in both.items():
      k = a // IDS
      if VOID in (a, b) or k != b // IDS:
        continue
      union = areas[0][a] + areas[1][b] - n
      union -= both.get((VOID, b), 0)
      loose = self._loose(k)
      if loose or 2 * n > union:
        total[0, k] += n / union
        total[1, k] += not loose
        matched[0].add(a)
        matched[1].add(b)
    for a in areas[0].keys() - {VOID}:
      total[3, a // IDS] += a not in matched[0]
    for b in areas[1].keys() - {VOID}:
      unseen = 2 * both.get((VOID, b), 0) <= areas[1][b]
      total[2, b // IDS] += b not in matched[1] and unseen
    loose = [k for k in range(total.shape[1]) if self._loose(k)]
    total[2:, loose] = 0
    for k in loose:
      total[1, k] = k * IDS in areas[0]
    return total

  def _loose(self, k: int) -> bool:
    """Whether any overlap of a class's segments counts."""
    return self.modified and k not in self.things


def _counts(x: np.ndarray, **options: Any) -> tuple[np.ndarray, np.ndarray]:
  """Returns the different values of an array, and how often each is there."""
  return np.unique(x, return_counts=True, **options)
