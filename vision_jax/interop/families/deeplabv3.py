"""DeepLab v3: torchvision's names and weights."""

import functools
import itertools
from collections.abc import Callable

import flax.linen as nn

from vision_jax.data.transforms.preprocess import Preprocess
from vision_jax.interop.families import mobilenet, resnet
from vision_jax.interop.published import Published
from vision_jax.interop.rules import (
  Rules,
  Shapes,
  conv,
  conv_norm,
  unused,
  within,
)
from vision_jax.interop.voc_names import VOC_NAMES
from vision_jax.models.segmentation import deeplabv3

BACKBONE = "backbone"  # theirs and ours


def on_resnet(shapes: Shapes) -> Rules:
  """torchvision's names; an auxiliary head only where the net has it."""
  body = resnet.torchvision(shapes)
  return [*within(BACKBONE, BACKBONE, body), *_heads(shapes)]


def on_mobilenet(shapes: Shapes) -> Rules:
  """torchvision's names on MobileNet v3, whose layers are numbers."""
  return [*mobilenet_body(shapes), *_heads(shapes)]


def mobilenet_body(shapes: Shapes) -> Rules:
  """The names of a MobileNet v3 within one of torchvision's segmenters."""
  within_it = f"/{BACKBONE}/"
  body = {
    path.replace(within_it, "/", 1): shape
    for path, shape in shapes.items()
    if within_it in path
  }
  return within(BACKBONE, BACKBONE, mobilenet.v3_features(body, before=""))


def _heads(shapes: Shapes) -> Rules:
  auxiliary = unused(r"aux_classifier\..*")
  if "params/auxiliary/head/kernel" in shapes:
    auxiliary = [
      *_layer(r"aux_classifier", 0, "auxiliary/conv"),
      *conv(r"aux_classifier\.4", "auxiliary/head"),
    ]
  return [
    *_pyramid(shapes),
    *_layer("classifier", 1, "conv"),
    *conv(r"classifier\.4", "head"),
    *auxiliary,
  ]


def _pyramid(shapes: Shapes) -> Rules:
  has = lambda i: f"params/aspp/far{i}/conv/kernel" in shapes
  far = [f"far{i}" for i in itertools.takewhile(has, itertools.count(1))]
  convs = r"classifier\.0\.convs\."
  return [
    *(
      rule
      for i, branch in enumerate(["near", *far])
      for rule in _layer(rf"{convs}{i}", 0, f"aspp/{branch}")
    ),
    *_layer(rf"{convs}{len(far) + 1}", 1, "aspp/pooled"),
    *_layer(r"classifier\.0\.project", 0, "aspp/project"),
  ]


def _layer(theirs: str, number: int, ours: str) -> Rules:
  """A convolution and its norm, which follow one another."""
  return conv_norm(rf"{theirs}\.{number}", rf"{theirs}\.{number + 1}", ours)


def published(model: Callable[..., nn.Module], layout: str) -> Published:
  """Returns one of torchvision's segmenters, of VOC's classes."""
  return Published(
    functools.partial(model, num_classes=len(VOC_NAMES)),
    layout,
    # A photograph of 4 to 3 whose short side is 520.
    Preprocess((520, 693), 0),
    task="segmentation",
    class_names=VOC_NAMES,
    differs=(
      "published are images of their own proportions, the short side 520 "
      "pixels; --config.preprocess.size=HEIGHT,WIDTH is another size"
    ),
  )


LAYOUTS = {"torchvision": on_resnet, "torchvision_mobilenet": on_mobilenet}
PUBLISHED = {
  f"torchvision:deeplabv3_{name}": published(
    functools.partial(deeplabv3.variant, name),
    "torchvision_mobilenet" if "mobilenet" in name else "torchvision",
  )
  for name in deeplabv3.BACKBONES
}
