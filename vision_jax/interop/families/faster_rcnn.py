"""Faster R-CNN, Mask R-CNN and Keypoint R-CNN: torchvision's names.

There the background is class 0, here the last one.
"""

import functools
from collections.abc import Callable

import flax.linen as nn
import numpy as np

from vision_jax.interop.coco_names import COCO_NAMES
from vision_jax.interop.families.fcos import NORMS, of_coco, pyramid
from vision_jax.interop.published import Published
from vision_jax.interop.rules import (
  IOHW,
  OI,
  OIHW,
  Rule,
  Rules,
  Shapes,
  conv,
  dense,
  flattened,
)
from vision_jax.models.detection import faster_rcnn, keypoint_rcnn, mask_rcnn

CELLS = (7, 7)  # of a box, for its class


def torchvision(shapes: Shapes) -> Rules:
  """torchvision's names since its version 0.13, and before."""
  proposals, heads = r"rpn\.head", r"roi_heads"
  rules = pyramid(shapes, first=2)
  rules += conv(rf"{proposals}\.conv(?:\.0\.0)?", "rpn/tower/conv1")
  rules += conv(rf"{proposals}\.cls_logits", "rpn/class_head")
  rules += conv(rf"{proposals}\.bbox_pred", "rpn/box_head")
  first = rf"{heads}\.box_head\.fc6"
  rules += flattened(first, "box_head/fc1", CELLS, shapes)
  rules += dense(rf"{heads}\.box_head\.fc7", "box_head/fc2")
  predictor = rf"{heads}\.box_predictor"
  rules += _classes(rf"{predictor}\.cls_score", "box_head/class_head", OI)
  rules += _classes(rf"{predictor}\.bbox_pred", "box_head/box_head", OI, 4)
  return [*rules, *_masks(heads), *_keypoints(heads)]


def _masks(heads: str) -> list[Rule]:
  """The mask head's: its convolutions are numbered from 0, once from 1."""
  predictor = rf"{heads}\.mask_predictor"
  ours = "mask_head"
  return [
    *conv(rf"{heads}\.mask_head\.(\d)\.0", f"{ours}/tower/conv{{1+1}}"),
    *conv(rf"{heads}\.mask_head\.mask_fcn(\d)", f"{ours}/tower/conv{{1}}"),
    *conv(rf"{predictor}\.conv5_mask", f"{ours}/up", axes=IOHW),
    *_classes(rf"{predictor}\.mask_fcn_logits", f"{ours}/mask", OIHW),
  ]


def _keypoints(heads: str) -> list[Rule]:
  """The keypoint head's: rectifiers are numbered too."""
  head, ours = rf"{heads}\.keypoint_head", "keypoint_head"
  rules = []
  for i in range(8):
    rules += conv(rf"{head}\.{2 * i}", f"{ours}/tower/conv{i + 1}")
  last = rf"{heads}\.keypoint_predictor\.kps_score_lowres"
  return rules + conv(last, f"{ours}/up", axes=IOHW)


def _classes(
  theirs: str, ours: str, axes: tuple[int, ...], each: int = 1
) -> list[Rule]:
  """A last layer, `each` values a class, of which the first goes last."""
  change = functools.partial(np.roll, shift=-each, axis=0)
  path = f"params/{ours}"
  return [
    Rule(rf"{theirs}\.weight", (f"{path}/kernel",), axes, change),
    Rule(rf"{theirs}\.bias", (f"{path}/bias",), change=change),
  ]


def _published(
  variant: Callable[..., nn.Module], names: tuple[str, ...] = COCO_NAMES[1:]
) -> Published:
  return of_coco(variant, "torchvision", NORMS, names)


LAYOUTS = {"torchvision": torchvision}
PUBLISHED = {
  "torchvision:fasterrcnn_resnet50_fpn": _published(faster_rcnn.variant),
  "torchvision:maskrcnn_resnet50_fpn": _published(mask_rcnn.variant),
  "torchvision:keypointrcnn_resnet50_fpn": _published(
    keypoint_rcnn.variant, ("person",)
  ),
}
