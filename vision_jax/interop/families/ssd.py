"""SSD: torchvision's names and weights."""

import functools

import numpy as np

from vision_jax.data.transforms.preprocess import Preprocess
from vision_jax.interop.coco_names import COCO_NAMES
from vision_jax.interop.families import vgg
from vision_jax.interop.published import Published
from vision_jax.interop.rules import (
  OIHW,
  Rules,
  Shapes,
  conv,
  leaf,
  within,
)
from vision_jax.models.detection import ssd

_BODY = "params/backbone/"


def torchvision(shapes: Shapes) -> Rules:
  """torchvision's names; its first class is "no object", here the last."""
  body = {
    path.replace(_BODY, "params/"): x
    for path, x in shapes.items()
    if path.startswith(_BODY)
  }
  rules = within("backbone", "backbone", vgg.convolutions(body))
  rules += leaf(r"backbone\.scale_weight", "norm/scale")
  last = sum(path.startswith("params/conv5_") for path in body) // 2
  for i in range(1, last + 1):
    rules += conv(rf"backbone\.extra\.0\.{2 * i - 1}", f"backbone/conv5_{i}")
  dense = rf"backbone\.extra\.0\.{2 * last + 1}"
  rules += conv(rf"{dense}\.1", "fc6") + conv(rf"{dense}\.3", "fc7")
  for i, part in ((1, 0), (2, 2)):
    name = rf"backbone\.extra\.([1-9])\.{part}"
    rules += conv(name, f"conv{{1+7}}_{i}")
  rules += conv(r"head\.regression_head\.module_list\.(\d)", "box_head{1+1}")
  return rules + _classes(shapes)


def _classes(shapes: Shapes) -> list:
  """Those of the heads, whose classes are as many for each default box."""
  rules = []
  for i in range(1, 10):
    boxes = shapes.get(f"params/box_head{i}/bias")
    turned = functools.partial(_turned, count=boxes[0] // 4 if boxes else 1)
    name, ours = (
      rf"head\.classification_head\.module_list\.{i - 1}",
      "class_head",
    )
    kernel = rf"{name}\.weight", f"{ours}{i}/kernel"
    rules += leaf(*kernel, axes=OIHW, change=turned)
    rules += leaf(rf"{name}\.bias", f"{ours}{i}/bias", change=turned)
  return rules


def _turned(x: np.ndarray, count: int) -> np.ndarray:
  """Puts the first class of each of `count` boxes after the others."""
  parts = x.reshape(count, -1, *x.shape[1:])
  return np.roll(parts, -1, axis=1).reshape(x.shape)


LAYOUTS = {"torchvision": torchvision}
PUBLISHED = {
  "torchvision:ssd300_vgg16": Published(
    functools.partial(ssd.ssd300, num_classes=len(COCO_NAMES) - 1),
    "torchvision",
    Preprocess(
      (300, 300),
      0,
      mean=(0.48235, 0.45882, 0.40784),
      std=(1 / 255,) * 3,
    ),
    task="detection",
    class_names=COCO_NAMES[1:],
    values={"letterbox": "false"},  # as torchvision squeezes all into a square
  )
}
