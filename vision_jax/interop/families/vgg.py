"""VGG: torchvision's names and weights."""

import functools
import re

from vision_jax.data.transforms.preprocess import Preprocess
from vision_jax.interop.published import Published
from vision_jax.interop.rules import (
  Rules,
  Shapes,
  conv,
  dense,
  flattened,
  norm,
)
from vision_jax.models.backbones import vgg

DEPTHS = (11, 13, 16, 19)


def torchvision(shapes: Shapes) -> Rules:
  """torchvision's names: numbers of layers, activations and pools counted."""
  return [
    *convolutions(shapes),
    *flattened(r"classifier\.0", "fc6", vgg.SIDES, shapes),
    *dense(r"classifier\.3", "fc7"),
    *dense(r"classifier\.6", "fc8"),
  ]


def timm(shapes: Shapes) -> Rules:
  """timm's names: its dense layers are convolutions of a whole map."""
  return [
    *convolutions(shapes),
    *flattened(r"pre_logits\.fc1", "fc6", vgg.SIDES, shapes),
    *flattened(r"pre_logits\.fc2", "fc7", (1, 1), shapes),
    *dense(r"head\.fc", "fc8"),
  ]


def convolutions(shapes: Shapes) -> Rules:
  """torchvision's names of what is before the dense layers."""
  rules, number = [], 0
  normed = any("/bn" in path for path in shapes)
  for stage, convolutions in sorted(_stages(shapes).items()):
    for i in range(1, convolutions + 1):
      rules += conv(rf"features\.{number}", f"conv{stage}_{i}")
      if normed:
        rules += norm(rf"features\.{number + 1}", f"bn{stage}_{i}")
      number += 3 if normed else 2
    number += 1  # the pooling
  return rules


def _stages(shapes: Shapes) -> dict[int, int]:
  """The number of convolutions of each stage."""
  found = {}
  for path in shapes:
    if match := re.fullmatch(r"params/conv(\d+)_(\d+)/kernel", path):
      stage, i = map(int, match.groups())
      found[stage] = max(i, found.get(stage, 0))
  return found


LAYOUTS = {"torchvision": torchvision, "timm": timm}
PUBLISHED = {
  f"torchvision:vgg{depth}{suffix}": Published(
    functools.partial(
      getattr(vgg, f"VGG{depth}"), num_classes=1000, norm=suffix == "_bn"
    ),
    "torchvision",
    Preprocess(),
  )
  for depth in DEPTHS
  for suffix in ("", "_bn")
}
