"""Every published model by a short name, for commands that name models.

Configs do not need it: they call the constructors.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator

import flax.linen as nn

from vision_jax.errors import UserError
from vision_jax.models.backbones import (
  convnext,
  densenet,
  efficientnet,
  mobilenet_v3,
  resnet,
  swin,
  vgg,
)
from vision_jax.models.backbones.alexnet import AlexNet
from vision_jax.models.backbones.cnn import CNN
from vision_jax.models.backbones.decorrelated import DecorrelatedCNN
from vision_jax.models.backbones.googlenet import GoogLeNet
from vision_jax.models.backbones.inception_v3 import InceptionV3
from vision_jax.models.backbones.lenet import LeNet5
from vision_jax.models.backbones.mlp import MLP
from vision_jax.models.backbones.mobilenet_v1 import MobileNetV1
from vision_jax.models.backbones.mobilenet_v2 import MobileNetV2
from vision_jax.models.backbones.resnet8 import ResNet8
from vision_jax.models.backbones.vit import ViT, dinov2, variant
from vision_jax.models.backbones.xception import Xception
from vision_jax.models.detection import (
  deformable_detr,
  detr,
  faster_rcnn,
  fcos,
  keypoint_rcnn,
  mask_rcnn,
  retinanet,
  rt_detr,
  yolox,
)
from vision_jax.models.detection.ssd import ssd300
from vision_jax.models.detection.yolo import yolo_v3
from vision_jax.models.generation import dit
from vision_jax.models.generation.ddpm_unet import DDPMUNet
from vision_jax.models.restoration.carn import CARN
from vision_jax.models.restoration.dncnn import DnCNN
from vision_jax.models.restoration.espcn import ESPCN
from vision_jax.models.restoration.imdn import IMDN, IMDN_RTC
from vision_jax.models.segmentation import deeplabv3, fc_densenet, lraspp
from vision_jax.models.segmentation.deeplabv3_plus import DeepLabV3Plus
from vision_jax.models.segmentation.enet import ENet
from vision_jax.models.segmentation.espnet import ESPNet
from vision_jax.models.segmentation.fcn import FCN8s
from vision_jax.models.segmentation.segnet import SegNetBasic
from vision_jax.models.segmentation.unet import UNet
from vision_jax.models.text.image_text import clip


@dataclasses.dataclass(frozen=True)
class Entry:
  """A model as it was published.

  Attributes:
    make: (**fields) -> module, with the published number of classes.
    image: (h, w, c) of its images.
    classifies: whether it maps images to classes.
  """

  make: Callable[..., nn.Module]
  image: tuple[int, int, int]
  classifies: bool = True

  def shape(self, batch_size: int = 1, image_size: int | None = None):
    """Returns (b, h, w, c), with square images where a side is given."""
    h, w, c = self.image
    return (batch_size, image_size or h, image_size or w, c)


def find(name: str) -> Entry:
  """Returns the entry called `name`.

  Raises:
    UserError: if there is none; says which there are.
  """
  if name not in MODELS:
    raise UserError(
      f"model: got {name!r}; expected one of {', '.join(MODELS)}."
    )
  return MODELS[name]


def _entry(constructor, num_classes, image, classifies=True, **fields) -> Entry:
  def make(**more) -> nn.Module:
    return constructor(**{"num_classes": num_classes, **fields, **more})

  return Entry(make, image, classifies)


_other = functools.partial(_entry, classifies=False)


def _convolutional() -> Iterator[tuple[str, Entry]]:
  image = (224, 224, 3)
  yield "alexnet", _entry(AlexNet, 1000, image)
  for depth in (11, 13, 16, 19):
    make = getattr(vgg, f"VGG{depth}")
    yield f"vgg{depth}", _entry(make, 1000, image)
    yield f"vgg{depth}_bn", _entry(make, 1000, image, norm=True)
  yield "resnext50_32x4d", _entry(resnet.ResNeXt50_32x4d, 1000, image)
  yield "resnext101_32x8d", _entry(resnet.ResNeXt101_32x8d, 1000, image)
  yield "resnext101_64x4d", _entry(resnet.ResNeXt101_64x4d, 1000, image)
  yield "wide_resnet50_2", _entry(resnet.WideResNet50_2, 1000, image)
  yield "wide_resnet101_2", _entry(resnet.WideResNet101_2, 1000, image)
  yield "mobilenet_v1", _entry(MobileNetV1, 1000, image)
  yield "mobilenet_v2", _entry(MobileNetV2, 1000, image)
  for size in ("Large", "Small"):
    make = getattr(mobilenet_v3, f"MobileNetV3{size}")
    yield f"mobilenet_v3_{size.lower()}", _entry(make, 1000, image)
  for layers in (121, 161, 169, 201):
    make = getattr(densenet, f"DenseNet{layers}")
    yield f"densenet{layers}", _entry(make, 1000, image)
  yield "googlenet", _entry(GoogLeNet, 1000, image)
  yield "inception_v3", _entry(InceptionV3, 1000, (299, 299, 3))
  yield "xception", _entry(Xception, 1000, (299, 299, 3))


def _entries() -> Iterator[tuple[str, Entry]]:
  for name, constructor in (("mlp", MLP), ("lenet5", LeNet5), ("cnn", CNN)):
    yield name, _entry(constructor, 10, (28, 28, 1))
  yield "decorrelated_cnn", _entry(DecorrelatedCNN, 10, (32, 32, 3))
  yield "resnet8", _entry(ResNet8, 10, (32, 32, 3))
  for depth in (20, 32, 44, 56, 110):
    make = getattr(resnet, f"ResNet{depth}")
    yield f"resnet{depth}", _entry(make, 10, (32, 32, 3))
  for depth in (18, 34, 50, 101, 152):
    make = getattr(resnet, f"ResNet{depth}")
    yield f"resnet{depth}", _entry(make, 1000, (224, 224, 3))
  yield from _convolutional()
  yield from _recent()
  yield "vit_ti4", _entry(ViT, 10, (32, 32, 3), **variant("Ti/4"))
  for size in ("Ti", "S", "B", "L"):
    for patch in (32, 16, 8):
      fields = variant(f"{size}/{patch}")
      name = f"vit_{size.lower()}{patch}"
      yield name, _entry(ViT, 1000, (224, 224, 3), **fields)
  for size in ("ti", "s", "b"):
    fields = {**variant(f"{size.capitalize()}/16"), "head": "distilled"}
    yield f"deit_{size}16", _entry(ViT, 1000, (224, 224, 3), **fields)
  for size in ("S", "B", "L", "g"):
    for registers in (0, 4):
      name = f"dinov2_{size.lower()}14" + "_reg4" * bool(registers)
      yield name, _other(ViT, image=(224, 224, 3), **dinov2(size, registers))
  for name in ("B/32", "B/16", "L/14"):
    make = functools.partial(clip, name)
    entry = Entry(make, (224, 224, 3), classifies=False)
    yield f"clip_{name.lower().replace('/', '')}", entry
  paper = {"padding": "valid", "norm": False}
  yield "unet", _other(UNet, 2, (572, 572, 1), **paper)
  yield "fcn8s", _other(FCN8s, 21, (500, 500, 3))
  image = (520, 520, 3)
  for name in deeplabv3.BACKBONES:
    make = functools.partial(deeplabv3.variant, name)
    yield f"deeplabv3_{name}", _other(make, 21, image)
  body = {"backbone": resnet.ResNet50(0, dilated=1)}
  yield "deeplabv3_plus_resnet50", _other(DeepLabV3Plus, 21, image, **body)
  make = lraspp.mobilenet_v3_large
  yield "lraspp_mobilenet_v3_large", _other(make, 21, image)
  for layers in (56, 67, 103):
    make = getattr(fc_densenet, f"FCDenseNet{layers}")
    yield f"fc_densenet{layers}", _other(make, 11, (360, 480, 3))
  yield "enet", _other(ENet, 12, (360, 480, 3))
  yield "espnet", _other(ESPNet, 12, (360, 480, 3))
  yield "segnet_basic", _other(SegNetBasic, 11, (360, 480, 3))
  for backbone in ("R50", "R101"):
    make = functools.partial(detr.variant, backbone)
    yield f"detr_{backbone.lower()}", _other(make, 91, (800, 1066, 3))
  make = functools.partial(deformable_detr.variant, "R50")
  yield "deformable_detr_r50", _other(make, 91, (800, 1066, 3))
  for name in ("R18", "R34", "R50-M", "R50", "R101"):
    make = functools.partial(rt_detr.variant, name)
    label = name.lower().replace("-", "_")
    yield f"rt_detr_{label}", _other(make, 80, (640, 640, 3))
  for name, module in (("fcos", fcos), ("retinanet", retinanet)):
    make = functools.partial(module.variant, "R50")
    yield f"{name}_r50", _other(make, 91, (800, 1344, 3))
  yield "ssd300_vgg16", _other(ssd300, 90, (300, 300, 3))
  yield "yolo_v3", _other(yolo_v3, 80, (416, 416, 3))
  for name in ("nano", "tiny", "s", "m", "l", "x"):
    make = functools.partial(yolox.variant, name)
    side = 416 if name in ("nano", "tiny") else 640
    yield f"yolox_{name}", _other(make, 80, (side, side, 3))
  two_stage = ((faster_rcnn, 90), (mask_rcnn, 90), (keypoint_rcnn, 1))
  for module, k in two_stage:
    name = module.__name__.rpartition(".")[2]
    make = functools.partial(module.variant, "R50")
    yield f"{name}_r50", _other(make, k, (800, 1344, 3))
  yield "dncnn", Entry(DnCNN, (180, 180, 1), False)
  yield "imdn_x2", Entry(IMDN, (180, 320, 3), False)
  yield "imdn_rtc_x2", Entry(IMDN_RTC, (180, 320, 3), False)
  yield "carn_m_x2", Entry(CARN, (180, 320, 3), False)
  yield "espcn_x3", Entry(ESPCN, (224, 224, 1), False)
  yield "ddpm_cifar10", _other(DDPMUNet, 0, (32, 32, 3))
  for name in ("S/2", "B/2", "L/2", "XL/2"):
    fields = {**dit.variant(name), "learned_variance": True}
    label = name.lower().replace("/", "")
    yield f"dit_{label}", _other(dit.DiT, 1000, (32, 32, 4), **fields)


def _recent() -> Iterator[tuple[str, Entry]]:
  """ConvNeXt, Swin and EfficientNet."""
  for size in ("T", "S", "B"):
    for module, constructor in ((convnext, "ConvNeXt"), (swin, "Swin")):
      make = getattr(module, f"{constructor}{size}")
      name = f"{constructor.lower()}_{size.lower()}"
      yield name, _entry(make, 1000, (224, 224, 3))
  for size, side in efficientnet.SIZES.items():
    make = getattr(efficientnet, f"EfficientNet{size}")
    yield f"efficientnet_{size.lower()}", _entry(make, 1000, (side, side, 3))


MODELS: dict[str, Entry] = dict(_entries())
