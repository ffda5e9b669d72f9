"""The threshold of a detector's scores, chosen by F1."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from vision_jax.core.types import Array, Batch
from vision_jax.errors import UserError
from vision_jax.ops.boxes import (
  cxcywh_to_xyxy,
  pairwise_inside,
  pairwise_iou,
  pixel_scale,
)

RIGHT, LEFT_OUT = 1, 2


@dataclasses.dataclass(frozen=True)
class BoxThreshold:
  """The score from which on a box counts, for the best F1.

  `out` has what `Detection.predict` gives, `boxes` (b, p, 4) xyxy in pixels,
  best first, `score` and `label` (b, p); the batch `boxes` (b, n, 4), `label`,
  `box_mask` and, where a source has them, `crowd` and `ignore` (b, n).

  threshold: of the boxes of all classes together. It lies half way between the
    scores that it parts; of equally good ones it is the largest.
  threshold_f1: at that threshold.

  As in COCO's evaluation, a box is right if it overlaps an object of its class
  by `overlap` that no better box has taken, the one that it overlaps most; one
  that overlaps only a crowd or an ignored object is neither right nor wrong.
  Both metrics are left out where there is no object.

  Attributes:
    overlap: IoU from which a box is right.
  """

  overlap: float = 0.5
  names: ClassVar[tuple[str, ...]] = ("threshold", "threshold_f1")
  state: ClassVar[Any] = None

  def __post_init__(self):
    if not 0 < self.overlap <= 1:
      raise UserError(f"overlap: got {self.overlap}; expected above 0, to 1.")

  def measure(
    self, state: Any, out: Mapping[str, Array], batch: Batch
  ) -> tuple[dict[str, Array], dict[str, Array]]:
    """Returns how many objects there are, and which boxes are right."""
    del state
    truth = cxcywh_to_xyxy(batch["boxes"]) * pixel_scale(batch)[:, None]
    there = batch["box_mask"] > 0
    crowd = there & (batch.get("crowd", jnp.zeros_like(there)) > 0)
    free = there & (batch.get("ignore", jnp.zeros_like(there)) > 0) & ~crowd
    overlap = jnp.where(
      crowd[:, None],
      pairwise_inside(out["boxes"], truth),
      pairwise_iou(out["boxes"], truth),
    )
    same = out["label"][..., None] == batch["label"][:, None]
    overlap = jnp.where(same, overlap, 0)
    right = jax.vmap(self._judge)(overlap, there, crowd, free)
    asked = (there & ~crowd & ~free).sum(-1) * (batch["mask"] > 0)
    rows = {"score": out["score"], "right": right}
    return {"objects": asked.astype(jnp.int32).sum()}, rows

  def _judge(
    self, overlap_pn: Array, there: Array, crowd: Array, free: Array
  ) -> Array:
    """Returns 0, RIGHT or LEFT_OUT for each of an image's boxes, (p,)."""

    def step(taken: Array, overlap: Array) -> tuple[Array, Array]:
      fits = there & ~taken & (overlap >= self.overlap)
      real, spare = fits & ~crowd & ~free, fits & (crowd | free)
      kind = jnp.where(real.any(), real, spare)
      best = jnp.argmax(jnp.where(kind, overlap, -1.0))
      hit = jnp.arange(len(there)) == best
      taken |= hit & kind.any() & ~crowd  # a crowd has room for any number
      verdict = jnp.where(real.any(), RIGHT, LEFT_OUT * spare.any())
      return taken, verdict.astype(jnp.int8)

    return jax.lax.scan(step, jnp.zeros_like(there), overlap_pn)[1]

  def result(
    self, sums: Mapping[str, Any], rows: Mapping[str, np.ndarray]
  ) -> dict[str, float]:
    """Reads F1 at each score off the boxes in the order of their scores."""
    objects = int(sums["objects"])
    counts = rows["right"] != LEFT_OUT
    score = np.asarray(rows["score"], np.float64)[counts]
    if not objects:
      return {}
    if np.isnan(score).any():
      return {name: float("nan") for name in self.names}
    order = np.argsort(-score, kind="stable")
    score, right = score[order], (rows["right"][counts] == RIGHT)[order]
    f1 = 2 * np.cumsum(right) / (np.arange(len(score)) + 1 + objects)
    last = np.flatnonzero(np.append(score[1:] != score[:-1], True)[: len(f1)])
    if not len(last):  # no box at all
      return {}
    best = int(np.argmax(f1[last]))
    parted = np.append(score[last], 0.0)[best : best + 2]
    return {
      "threshold": float(parted.mean()),
      "threshold_f1": float(f1[last][best]),
    }
