"""Metrics of single objects that are masks: maps that number them.

A found object is right where its intersection over union with a true one is
above a threshold of 0.5 or more. Of the objects of a map no two overlap, so
that at most one can be above it, either way: the pairs above it are the best
one-to-one matching, and no assignment has to be solved.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from vision_jax.core.types import Array, Batch
from vision_jax.errors import UserError
from vision_jax.ops.instances import IDS
from vision_jax.ops.local import per_image
from vision_jax.ops.shapes import check_shape

THRESHOLDS = tuple(range(10, 20))  # of IoU, in twentieths: 0.5, 0.55 ... 0.95
_PARTS = 20
_KINDS = {"ap50": 0, "ap75": 5}  # places of their thresholds


@dataclasses.dataclass(frozen=True)
class InstancePrecision:
  """Precision of objects, TP / (TP + FP + FN), and panoptic quality.

  `out` has `instances` (b, h, w), integers: 0 is background, each object has a
  number of its own below 2^16, and numbers may be left out. The batch has the
  truth of that name, and `mask` (b,). Images may have other sizes in other
  batches. The metrics:

  ap50, ap75: where IoU has to be above 0.5, or 0.75; TP, FP and FN are of the
    whole data set.
  ap: mean of it over the thresholds 0.5, 0.55, ..., 0.95.
  image_ap50, image_ap75, image_ap: the same of each image, then their mean;
    images without an object in truth and prediction are left out.
  pq, sq, rq: panoptic quality of the objects, their one class, and its factors:
    mean IoU of the matches above 0.5, and F1: Kirillov et al. (2019),
    https://arxiv.org/abs/1801.00868.
  precision50, recall50: TP / (TP + FP) and TP / (TP + FN) above 0.5.
  objects, found: how many there are in an image, and were found, on average.

  All are 0 where nothing is right; where there is neither an object nor a find
  in the whole data set, there is nothing to measure.
  """

  names: ClassVar[tuple[str, ...]] = (
    *("ap50", "ap75", "ap", "image_ap50", "image_ap75", "image_ap"),
    *("pq", "sq", "rq", "precision50", "recall50", "objects", "found"),
  )
  state: ClassVar[Any] = None

  def measure(
    self, state: Any, out: Mapping[str, Array], batch: Batch
  ) -> tuple[dict[str, Array], dict[str, Array]]:
    """Returns what `matches` counts of each image, as rows."""
    del state
    truth, found = batch["instances"], out["instances"]
    b, h, w = check_shape("instances", truth, "b h w")
    check_shape("instances of the prediction", found, f"{b} {h} {w}")
    return {}, per_image(jax.vmap(matches))(truth, found)

  def result(
    self, sums: Mapping[str, Any], rows: Mapping[str, np.ndarray]
  ) -> dict[str, float]:
    """Returns the metrics.

    Raises:
      UserError: if no image has an object, and none was found.
    """
    del sums
    right = np.asarray(rows["right"], np.int64)
    truth, found = (np.asarray(rows[k], np.int64) for k in ("truth", "found"))
    of_any = (truth + found)[:, None] - right
    there = of_any[:, 0] > 0
    if not there.any():
      raise UserError(
        f"instances: none of {len(truth)} images has an object; expected maps "
        "that number them, from 1 on. Check the masks."
      )
    pooled = right.sum(0) / of_any.sum(0)
    each = (right[there] / of_any[there]).mean(0)
    metrics = _named(pooled) | _named(each, "image_")
    iou = np.float64(rows["iou"]).sum()
    return metrics | _quality(iou, right[:, 0].sum(), truth, found)


def matches(truth: Array, found: Array) -> dict[str, Array]:
  """Counts what two maps (h, w) of numbered objects have in common.

  Returns:
    `right` (10,), the pairs of objects above each of `THRESHOLDS`, exactly;
    `truth` and `found`, how many objects there are in each; all int32; and
    `iou`, the sum of it over the pairs above 0.5, float32.
  """
  truth, found = (x.reshape(-1).astype(jnp.uint32) for x in (truth, found))
  areas = [
    jnp.bincount(x.astype(jnp.int32), length=IDS) for x in (truth, found)
  ]
  pair = jnp.sort(truth * IDS + found)
  count, last = _runs(pair)
  one, other = (pair // IDS).astype(jnp.int32), (pair % IDS).astype(jnp.int32)
  real = last & (one > 0) & (other > 0)
  union = areas[0][one] + areas[1][other] - count
  parts = jnp.asarray(THRESHOLDS, jnp.int32)[:, None]
  above = real & (_PARTS * count > parts * union)
  iou = jnp.where(above[0], count / union, 0)
  number = [jnp.sum(area[1:] > 0, dtype=jnp.int32) for area in areas]
  right = jnp.sum(above, 1, dtype=jnp.int32)
  return {
    "right": right,
    "truth": number[0],
    "found": number[1],
    "iou": jnp.sum(iou, dtype=jnp.float32),
  }


def _runs(x: Array) -> tuple[Array, Array]:
  """Returns how many equal values of sorted x (n,) end at each, and if all do.

  The second is whether a value is the last of its kind.
  """
  place = jnp.arange(len(x), dtype=jnp.int32)
  changes = x[1:] != x[:-1]
  ends = jnp.ones(1, bool)
  first = jnp.concatenate([ends, changes])
  start = jax.lax.cummax(jnp.where(first, place, 0))
  return place - start + 1, jnp.concatenate([changes, ends])


def _named(values: np.ndarray, prefix: str = "") -> dict[str, float]:
  """Returns the precisions (10,) by their names."""
  named = {k: float(values[place]) for k, place in _KINDS.items()}
  named["ap"] = float(values.mean())
  return {prefix + name: x for name, x in named.items()}


def _quality(
  iou: float, right: int, truth: np.ndarray, found: np.ndarray
) -> dict[str, float]:
  """Returns panoptic quality, and what else there is at 0.5."""
  over = lambda n: float(right / n) if n else 0.0
  rq = 2 * over(truth.sum() + found.sum())
  sq = float(iou / right) if right else 0.0
  return {
    **{"pq": sq * rq, "sq": sq, "rq": rq},
    **{"precision50": over(found.sum()), "recall50": over(truth.sum())},
    **{"objects": float(truth.mean()), "found": float(found.mean())},
  }
