"""Convolutional classifiers of torchvision and timm: their outputs are ours."""

import functools

import jax
import numpy as np
import pytest

from tests.interop import parity
from tests.oracles import library, torchvision
from vision_jax.data.transforms.preprocess import IMAGENET_MEAN, IMAGENET_STD
from vision_jax.interop.families import (
  alexnet,
  densenet,
  inception,
  mobilenet,
  resnet,
  vgg,
  xception,
)
from vision_jax.models.backbones import mobilenet_v3
from vision_jax.models.backbones.alexnet import AlexNet
from vision_jax.models.backbones.densenet import DenseNet
from vision_jax.models.backbones.googlenet import GoogLeNet
from vision_jax.models.backbones.inception_v3 import InceptionV3
from vision_jax.models.backbones.mobilenet_v1 import MobileNetV1
from vision_jax.models.backbones.mobilenet_v2 import MobileNetV2
from vision_jax.models.backbones.resnet import ResNet
from vision_jax.models.backbones.vgg import VGG
from vision_jax.models.backbones.xception import Xception

pytestmark = pytest.mark.slow


def test_alexnet():
  theirs = torchvision().models.alexnet(num_classes=7)
  images = parity.images(2, 80, 100, 3)
  parity.check(theirs, alexnet.torchvision, AlexNet(7), images)


@pytest.mark.parametrize("norm", [False, True])
def test_vgg(norm):
  models = torchvision().models.vgg
  stages = ((8,), (8,), (12, 12), (16, 16), (512,))
  layers = [x for stage in stages for x in (*stage, "M")]
  features = models.make_layers(layers, batch_norm=norm)
  theirs = models.VGG(features, num_classes=7)
  ours = VGG(7, stages, norm)
  parity.check(theirs, vgg.torchvision, ours, parity.images(2, 64, 96, 3))


@pytest.mark.parametrize("groups,width", [(8, 4), (1, 128)])
def test_wide_resnets(groups, width):
  models = torchvision().models.resnet
  stages = (1, 2, 1, 1)
  fields = {"groups": groups, "width_per_group": width}
  theirs = models.ResNet(models.Bottleneck, list(stages), 7, **fields)
  ours = ResNet(7, stages, **fields)
  parity.check(theirs, resnet.torchvision, ours, parity.images(2, 64, 48, 3))


def test_densenet():
  models = torchvision().models.densenet
  theirs = models.DenseNet(4, (2, 1, 2, 1), 8, num_classes=7)
  ours = DenseNet(7, (2, 1, 2, 1), 4, 8)
  images = parity.images(2, 64, 72, 3)
  parity.check(theirs, densenet.torchvision, ours, images)


def test_mobilenet_v2():
  theirs = torchvision().models.mobilenet_v2(num_classes=7, width_mult=0.35)
  ours = MobileNetV2(7, width=0.35)
  parity.check(theirs, mobilenet.v2, ours, parity.images(2, 70, 64, 3))


def test_mobilenet_v3():
  theirs = torchvision().models.mobilenet_v3_small(num_classes=7)
  ours = mobilenet_v3.MobileNetV3Small(num_classes=7)
  parity.check(theirs, mobilenet.v3, ours, parity.images(2, 70, 64, 3))


TIMMS = {
  "mobilenetv1_100": MobileNetV1(7, epsilon=1e-5),
  "mobilenetv2_100": MobileNetV2(7),
  "mobilenetv3_small_100": mobilenet_v3.MobileNetV3Small(
    num_classes=7, epsilon=1e-5
  ),
  "legacy_xception": Xception(7),
}


@pytest.mark.parametrize("name", TIMMS)
def test_timm(name):
  theirs = timms(name, num_classes=7)
  layout = xception.timm if "xception" in name else mobilenet.timm
  parity.check(theirs, layout, TIMMS[name], parity.images(2, 70, 64, 3))


@pytest.mark.parametrize("auxiliary", [False, True])
def test_googlenet(auxiliary):
  theirs = torchvision().models.googlenet(
    num_classes=7, init_weights=False, transform_input=True
  )
  ours = GoogLeNet(7, auxiliary)
  check_inception(
    theirs, inception.googlenet, ours, parity.images(2, 70, 64, 3)
  )


@pytest.mark.parametrize("auxiliary", [False, True])
def test_inception_v3(auxiliary):
  theirs = torchvision().models.inception_v3(
    num_classes=7, init_weights=False, transform_input=True
  )
  ours = InceptionV3(7, auxiliary)
  images = parity.images(1, 80, 91, 3)
  check_inception(theirs, inception.inception_v3, ours, images)


def check_inception(theirs, layout, ours, x):
  """Compares classes, of images that are normalised as each net has it."""
  parity.randomise(theirs)
  image = x if not ours.auxiliary else np.zeros((1, 299, 299, 3), np.float32)
  given = parity.variables(theirs, layout, ours, image)
  imagenet = (x * 0.5 + 0.5 - np.array(IMAGENET_MEAN)) / np.array(IMAGENET_STD)
  with library("torch").no_grad():
    expected = theirs(parity.nchw(imagenet.astype(np.float32)))
  apply = jax.jit(functools.partial(ours.apply, train=False))
  parity.same(apply(given, x), expected)


def test_auxiliary_heads_of_googlenet():
  """In training, by the batch's moments; without dropout's noise."""
  theirs = torchvision().models.googlenet(
    num_classes=7, init_weights=False, dropout=0.0, dropout_aux=0.0
  )
  ours = GoogLeNet(7, True, 0.0, 0.0)
  names = {"logits": "logits", "aux1": "aux_logits1", "aux2": "aux_logits2"}
  images = parity.images(4, 96, 96, 3)
  check_training(theirs, inception.googlenet, ours, images, names)


def test_auxiliary_head_of_inception_v3():
  theirs = torchvision().models.inception_v3(
    num_classes=7, init_weights=False, dropout=0.0
  )
  ours = InceptionV3(7, True, 0.0)
  images = parity.images(2, 299, 299, 3)
  names = {"logits": "logits", "aux": "aux_logits"}
  check_training(theirs, inception.inception_v3, ours, images, names)


def check_training(theirs, layout, ours, images, names):
  """Compares all that a net returns in training: name -> theirs."""
  parity.randomise(theirs).train()
  given = parity.variables(theirs, layout, ours, images)
  with library("torch").no_grad():
    expected = theirs(parity.nchw(images))
  apply = functools.partial(ours.apply, train=True, mutable=["batch_stats"])
  found, _ = jax.jit(apply)(given, images)
  assert found.keys() == names.keys()
  for name, attribute in names.items():
    parity.same(found[name], getattr(expected, attribute), 1e-3)


def timms(name, **fields):
  """Returns a module of timm, once torchvision can be imported."""
  torchvision()
  import timm

  return timm.create_model(name, **fields)
