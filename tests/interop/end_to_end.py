"""Narrow nets of other libraries, each beside the fields of ours.

A row for each family and source: what `load` is given, and what makes theirs.
Where a net has no narrow form it is as it is published.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

from tests.interop import parity
from tests.oracles import library, torchvision

CLASSES = 7


@dataclasses.dataclass(frozen=True)
class Row:
  """A published net of a source, made narrow.

  Attributes:
    source: "SOURCE:MODEL", as `load` takes it.
    make: () -> a module of torch.
    fields: of ours, beside the number of classes.
    draw: draws the module's leaves.
  """

  source: str
  make: Callable[[], Any]
  fields: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  draw: Callable[[Any], Any] = parity.randomise


def tv(name, *args, **kwargs):
  """Returns what makes a module of torchvision.models, NAME or FILE.NAME."""

  def make():
    found = torchvision().models
    for part in name.split("."):
      found = getattr(found, part)
    return found(*args, **{"num_classes": CLASSES, **kwargs})

  return make


def timm(name, **kwargs):
  """Returns what makes a module of timm."""

  def make():
    torchvision()
    create = library("timm").create_model
    return create(name, **{"num_classes": CLASSES, **kwargs})

  return make


VGG = ((8,), (8,), (12, 12), (16, 16), (512,))
VIT = {"features": 24, "depth": 2, "heads": 3}
TIMM_VIT = {"embed_dim": 24, "depth": 2, "num_heads": 3}


def vgg(norm):
  models = torchvision().models.vgg
  layers = [x for stage in VGG for x in (*stage, "M")]
  net = models.VGG(models.make_layers(layers, norm), num_classes=CLASSES)
  linear = library("torch").nn.Linear
  net.classifier[0] = linear(512 * 7 * 7, 32)
  net.classifier[3], net.classifier[6] = linear(32, 32), linear(32, CLASSES)
  return net


def alexnet():
  net = torchvision().models.alexnet(num_classes=CLASSES)
  linear = library("torch").nn.Linear
  net.classifier[1] = linear(256 * 6 * 6, 32)
  net.classifier[4], net.classifier[6] = linear(32, 32), linear(32, CLASSES)
  return net


def resnet(kind, **fields):
  models = torchvision().models.resnet
  block = getattr(models, kind)
  return models.ResNet(block, [1, 1, 1, 1], CLASSES, **fields)


def convnext(stages, widths):
  models = torchvision().models.convnext
  after = (*widths[1:], None)
  settings = map(models.CNBlockConfig, widths, after, stages)
  return models.ConvNeXt([*settings], num_classes=CLASSES)


def spread_positions(module):
  """Makes what a Swin adds to its scores as large as they are."""
  parity.randomise(module)
  for name, value in module.state_dict().items():
    if name.endswith("bias_table"):
      value.normal_(0, 2)
  return module


CONVNEXT = {"stages": (1, 1, 1, 1), "widths": (8, 12, 16, 20)}
SWIN = {"stages": (2, 2), "features": 12, "heads": (2, 3)}
DENSENET = {"stages": (1, 2, 1, 1), "growth": 4, "width": 8}
ROWS = (
  Row("torchvision:alexnet", alexnet, {"hidden": 32}),
  Row(
    "torchvision:vgg11",
    functools.partial(vgg, False),
    {"stages": VGG, "hidden": 32},
  ),
  Row(
    "torchvision:vgg16_bn",
    functools.partial(vgg, True),
    {"stages": VGG, "hidden": 32},
  ),
  Row(
    "torchvision:resnet18",
    functools.partial(resnet, "BasicBlock"),
    {"stages": (1,) * 4},
  ),
  Row(
    "torchvision:resnet50.imagenet1k_v2",
    functools.partial(resnet, "Bottleneck"),
    {"stages": (1,) * 4},
  ),
  Row(
    "torchvision:resnext50_32x4d",
    functools.partial(resnet, "Bottleneck", groups=8, width_per_group=4),
    {"stages": (1,) * 4, "groups": 8, "width_per_group": 4},
  ),
  Row("timm:resnet18.a1_in1k", timm("resnet18"), {}),
  Row(
    "torchvision:densenet121",
    tv("densenet.DenseNet", 4, (1, 2, 1, 1), 8),
    DENSENET,
  ),
  Row(
    "torchvision:googlenet",
    tv("googlenet", init_weights=False, transform_input=True),
  ),
  Row(
    "torchvision:inception_v3",
    tv("inception_v3", init_weights=False, transform_input=True),
  ),
  Row(
    "torchvision:mobilenet_v2",
    tv("mobilenet_v2", width_mult=0.35),
    {"width": 0.35},
  ),
  Row("torchvision:mobilenet_v3_small", tv("mobilenet_v3_small")),
  Row(
    "timm:mobilenetv1_100.ra4_e3600_r224_in1k",
    timm("mobilenetv1_100"),
  ),
  Row("timm:legacy_xception.tf_in1k", timm("legacy_xception")),
  Row("torchvision:efficientnet_b0", tv("efficientnet_b0")),
  Row("timm:efficientnet_b0.ra_in1k", timm("efficientnet_b0")),
  Row(
    "torchvision:convnext_tiny",
    functools.partial(convnext, **CONVNEXT),
    CONVNEXT,
  ),
  Row(
    "timm:convnext_tiny.fb_in1k",
    timm("convnext_tiny", depths=(1, 1, 1, 1), dims=CONVNEXT["widths"]),
    CONVNEXT,
  ),
  Row(
    "torchvision:swin_t",
    tv("swin_transformer.SwinTransformer", [4, 4], 12, [2, 2], [2, 3], [7, 7]),
    SWIN,
    spread_positions,
  ),
  Row(
    "timm:swin_tiny_patch4_window7_224.ms_in1k",
    timm(
      "swin_tiny_patch4_window7_224",
      embed_dim=12,
      depths=(2, 2),
      num_heads=(2, 3),
    ),
    SWIN,
    spread_positions,
  ),
  Row(
    "torchvision:vit_b_32",
    tv("VisionTransformer", 224, 32, 2, 3, 24, 96),
    VIT,
  ),
  Row(
    "timm:vit_tiny_patch16_224", timm("vit_tiny_patch16_224", **TIMM_VIT), VIT
  ),
  Row(
    "timm:deit_tiny_distilled_patch16_224",
    timm("deit_tiny_distilled_patch16_224", **TIMM_VIT),
    VIT,
  ),
  Row(
    "timm:deit3_small_patch16_224",
    timm("deit3_small_patch16_224", **TIMM_VIT),
    VIT,
  ),
  Row(
    "timm:vit_small_patch14_reg4_dinov2",
    timm("vit_small_patch14_reg4_dinov2", num_classes=0, **TIMM_VIT),
    VIT,
  ),
  Row(
    "timm:vit_base_patch16_224.mae",
    timm("vit_base_patch16_224", num_classes=0, **TIMM_VIT),
    VIT,
  ),
)
