"""YOLO: a grid of cells, each of which finds boxes by anchors of some shapes.

Redmon and Farhadi, 2016, https://arxiv.org/abs/1612.08242 (one level), and
2018, https://arxiv.org/abs/1804.02767 (several).
"""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.models.backbones.backbone import Backbone
from vision_jax.models.backbones.darknet import Darknet, layers
from vision_jax.models.detection.dense_head import class_conv, head_conv, rows
from vision_jax.models.detection.fpn import check_levels, nearest
from vision_jax.ops.anchors import cells
from vision_jax.ops.box_coders import WithinCells
from vision_jax.ops.shapes import check_shape

# Widths and heights in pixels, of the paper for COCO at 416 x 416.
COCO = (
  *((10, 13), (16, 30), (33, 23), (30, 61), (62, 45)),
  *((59, 119), (116, 90), (156, 198), (373, 326)),
)


class YOLO(nn.Module):
  """A grid on each level of a backbone, coarser levels joined to finer ones.

  Paths backbone; of each level conv1_c5, ..., conv6_c5, class_head_c5,
  box_head_c5 and objectness_head_c5, in the paper one convolution; lateral_c5
  where a finer level follows.

  Attributes:
    num_classes: k.
    backbone: net that gives the image's feature maps.
    levels: its maps, finest first.
    anchors: widths and heights in pixels, smallest first, as many for each
      level; see `data.box_shapes`.
    convs: of a level before its heads, 1x1 and 3x3 in turn; an odd number.
    dtype: type to compute in; the heads' results are float32.
  """

  num_classes: int
  backbone: Backbone
  levels: Sequence[str] = ("c3", "c4", "c5")
  anchors: Sequence[Sequence[float]] = COCO
  convs: int = 5
  dtype: DTypeLike = jnp.float32
  background = False  # each class is a sigmoid of its own

  @nn.compact
  def __call__(
    self,
    x: Array,
    *,
    train: bool,
    mask: Array | None = None,
    image_mask: Array | None = None,
  ) -> dict[str, Any]:
    """Maps images x (b, h, w, c) to what each anchor of each cell finds.

    Args:
      x: images.
      train: whether BatchNorm uses the batch.
      mask: (b,), which examples count in BatchNorm.
      image_mask: not asked: what is padding is zeros, and finds nothing.

    Returns:
      Of each level, finest first, with l = h w a anchors: `logits` (b, l, k),
      `objectness` (b, l) logits of there being a box at all, `offsets`
      (b, l, 4) as `WithinCells` has them, but the place as logits, `boxes`
      (b, l, 4) xyxy in pixels of x, and `anchors` and their `cells` (l, 4).
    """
    del image_mask
    check_shape("image", x, "b h w c")
    check_levels(self.backbone, self.levels)
    shapes = self._shapes()
    maps = self.backbone(x, train=train, mask=mask, features=True)
    conv = layers(train=train, mask=mask, dtype=self.dtype)
    found, above = [], None
    for level, own in zip(self.levels[::-1], shapes[::-1], strict=True):
      y = maps[level]
      d, side = y.shape[-1], y.shape[1:3]
      if above is not None:
        y = jnp.concatenate([nearest(above, side), y], -1)
      for i in range(1, self.convs + 1):
        odd = i % 2
        y = conv(
          d // 2 if odd else d, 1 if odd else 3, name=f"conv{i}_{level}"
        )(y)
      z = conv(d, name=f"conv{self.convs + 1}_{level}")(y)
      found.insert(0, self._found(z, level, own))
      if level != self.levels[0]:
        above = conv(d // 4, 1, name=f"lateral_{level}")(y)
    return {name: tuple(x[name] for x in found) for name in found[0]}

  def _found(
    self, x: Array, level: str, shapes: np.ndarray
  ) -> dict[str, Array]:
    """What the cells of a level's map x (b, h, w, d) find."""
    a, k = len(shapes), self.num_classes
    logits = head_conv(a * k, 1, name=f"class_head_{level}")(x)
    code = head_conv(4 * a, 1, name=f"box_head_{level}")(x)
    objectness = class_conv(a, 1, name=f"objectness_head_{level}")(x)
    place = cells(x.shape[1:3], self.backbone.strides[level]).repeat(a, 0)
    half = np.tile(shapes, (len(place) // a, 1)).astype(np.float32) / 2
    centre = (place[:, :2] + place[:, 2:]) / 2
    anchors = jnp.asarray(np.concatenate([centre - half, centre + half], -1))
    place, code = jnp.asarray(place), rows(code, 4)
    within = jnp.concatenate([jax.nn.sigmoid(code[..., :2]), code[..., 2:]], -1)
    return {
      "logits": rows(logits, k),
      "objectness": rows(objectness, 1)[..., 0],
      "offsets": code,
      "boxes": WithinCells().decode(within, anchors, place),
      "anchors": anchors,
      "cells": place,
    }

  def _shapes(self) -> np.ndarray:
    """The anchors (levels, a, 2)."""
    shapes = np.array(self.anchors, np.float32)
    count = len(self.levels)
    if shapes.ndim != 2 or shapes.shape[1] != 2 or len(shapes) % count:
      raise UserError(
        f"anchors: got {self.anchors}; expected (width, height) in pixels, as "
        f"many for each of the {count} level(s)."
      )
    return shapes.reshape(count, -1, 2)


def yolo_v3(num_classes: int, **options: Any) -> YOLO:
  """Returns YOLO v3 on Darknet-53: 61,949,149 parameters at 80 classes."""
  return YOLO(num_classes, Darknet(), **options)
