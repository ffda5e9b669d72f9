"""YOLO's loss of a grid: the cell of a box's centre finds it, by one anchor.

Redmon and Farhadi, https://arxiv.org/abs/1612.08242 and
https://arxiv.org/abs/1804.02767.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from vision_jax.core.types import Batch, Mean
from vision_jax.losses.dense import joined, mean_of_boxes, wanted_of
from vision_jax.losses.sim_ota import cross_entropy
from vision_jax.ops.assigners import BETWEEN, NOTHING, by_cell
from vision_jax.ops.box_coders import WithinCells
from vision_jax.ops.boxes import pairwise_iou


@dataclasses.dataclass(frozen=True)
class GridCriterion:
  """The loss of YOLO v3.

  Terms: of anchors that find a box `centre`, the cross entropies of its place
  in the cell, `size`, half the squares of the logarithms of width and height,
  and `class`, the cross entropies of all classes; and `objectness`, the cross
  entropy of all anchors but those that find none and whose prediction overlaps
  a box. Terms are sums, divided by the number of boxes, at least one an image.

  Differs from the paper: the place's loss is a cross entropy, as in the
  authors' code, and sums are divided.

  Attributes:
    weights: term -> weight in the sum.
    ignore: IoU above which a prediction that should find nothing is let be.
  """

  weights: Mapping[str, float] = dataclasses.field(
    default_factory=lambda: dict.fromkeys(
      ("centre", "size", "objectness", "class"), 1.0
    )
  )
  ignore: float = 0.5
  background = False

  def __call__(
    self, outputs: Mapping[str, Any], batch: Batch
  ) -> dict[str, Mean]:
    """Returns the terms of the outputs of `YOLO`."""
    anchors, cells = (jnp.concatenate(outputs[k]) for k in ("anchors", "cells"))

    def assign(truth, real, predicted):
      box = by_cell(anchors, cells, truth, real)
      if not len(truth):
        return box
      overlap = jnp.where(real > 0, pairwise_iou(predicted, truth), 0)
      near = (box == NOTHING) & (overlap.max(-1) > self.ignore)
      return jnp.where(near, BETWEEN, box)

    wanted = wanted_of(outputs, batch, assign, joined(outputs["boxes"]))
    found, offsets = wanted.found, joined(outputs["offsets"])
    logits, objectness = (
      joined(outputs[name]) for name in ("logits", "objectness")
    )
    code = WithinCells().encode(wanted.boxes, anchors, cells)
    one_hot = jax.nn.one_hot(wanted.label, logits.shape[-1], dtype=jnp.float32)
    values = {
      "centre": cross_entropy(offsets[..., :2], code[..., :2]),
      "size": (offsets[..., 2:] - code[..., 2:]) ** 2 / 2,
      "class": cross_entropy(logits, one_hot),
    }
    number = jnp.maximum(batch["box_mask"].sum(-1), 1)
    mean = lambda x, weights: mean_of_boxes(x, weights, number, batch)
    return {
      "objectness": mean(cross_entropy(objectness, found), wanted.counts),
      **{name: mean(x.sum(-1), found) for name, x in values.items()},
    }
