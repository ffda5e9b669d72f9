"""FCOS and RetinaNet: torchvision's names and weights."""

import functools
from collections.abc import Callable

import flax.linen as nn

from vision_jax.data.transforms.preprocess import Preprocess
from vision_jax.interop.coco_names import COCO_NAMES
from vision_jax.interop.families import resnet
from vision_jax.interop.published import Published
from vision_jax.interop.rules import Rules, Shapes, conv, norm, within
from vision_jax.models.detection import fcos, retinanet

_HEADS = {
  "classification_head": ("class_tower", {"cls_logits": "class_head"}),
  "regression_head": (
    "box_tower",
    {"bbox_reg": "box_head", "bbox_ctrness": "centre_head"},
  ),
}


def torchvision_fcos(shapes: Shapes) -> Rules:
  """torchvision's names; a tower's layers are numbers, rectifiers too."""
  rules = pyramid(shapes)
  for theirs, (tower, _) in _HEADS.items():
    for i in range(_convs(shapes)):
      conv_name = rf"head\.{theirs}\.conv\.{3 * i}"
      norm_name = rf"head\.{theirs}\.conv\.{3 * i + 1}"
      rules += conv(conv_name, f"{tower}/conv{i + 1}")
      rules += norm(norm_name, f"{tower}/norm{i + 1}")
  return rules + _last()


def torchvision_retinanet(shapes: Shapes) -> Rules:
  """torchvision's names since its version 0.13, and before."""
  rules = pyramid(shapes)
  for theirs, (tower, _) in _HEADS.items():
    for i in range(_convs(shapes)):
      now, before = rf"conv\.{i}\.0", rf"conv\.{2 * i}"
      name = rf"head\.{theirs}\.(?:{now}|{before})"
      rules += conv(name, f"{tower}/conv{i + 1}")
  return rules + _last()


def _convs(shapes: Shapes) -> int:
  """How many convolutions a tower has."""
  path = "params/class_tower/conv{}/kernel"
  return sum(path.format(i) in shapes for i in range(1, len(shapes) + 1))


def pyramid(shapes: Shapes, first: int = 3) -> list:
  """The backbone's rules and those of the pyramid on c3, c4 and c5.

  Args:
    shapes: of our leaves.
    first: number of the finest level.
  """
  level = r"(\d)(?:\.0)?"
  ours = f"_c{{1+{first}}}"
  return [
    *within(r"backbone\.body", "backbone", resnet.torchvision(shapes)),
    *conv(rf"backbone\.fpn\.inner_blocks\.{level}", f"fpn/lateral{ours}"),
    *conv(rf"backbone\.fpn\.layer_blocks\.{level}", f"fpn/output{ours}"),
    *conv(r"backbone\.fpn\.extra_blocks\.p(\d)", "fpn/p{1}"),
  ]


def _last() -> list:
  return [
    rule
    for theirs, (_, heads) in _HEADS.items()
    for name, ours in heads.items()
    for rule in conv(rf"head\.{theirs}\.{name}", ours)
  ]


def of_coco(
  variant: Callable[..., nn.Module],
  layout: str,
  more: str = "",
  class_names: tuple[str, ...] = COCO_NAMES,
) -> Published:
  """Returns a detector on a ResNet-50, as torchvision has trained it on COCO.

  Args:
    variant: (name, num_classes) -> the module.
    layout: key of the family's LAYOUTS.
    more: what else is not as the source has it.
    class_names: in the order of the labels.
  """
  return Published(
    functools.partial(variant, name="R50", num_classes=len(class_names)),
    layout,
    Preprocess((800, 1344), 0),
    task="detection",
    class_names=class_names,
    differs=(
      "published are images of their own proportions, the short side 800 "
      "pixels and the long one 1333 at most, in a canvas whose sides are "
      f"multiples of 32{more}"
    ),
  )


NORMS = (
  "; and its frozen norms divide by the root of the variance alone, here of "
  "1e-5 more"
)
LAYOUTS = {
  "torchvision": torchvision_fcos,
  "torchvision_retinanet": torchvision_retinanet,
}
PUBLISHED = {
  "torchvision:fcos_resnet50_fpn": of_coco(fcos.variant, "torchvision"),
  "torchvision:retinanet_resnet50_fpn": of_coco(
    retinanet.variant,
    "torchvision_retinanet",
    NORMS,
  ),
}
