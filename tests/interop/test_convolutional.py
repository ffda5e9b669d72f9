"""Convolutional classifiers of torchvision and timm: their outputs are ours."""

import jax
import jax.numpy as jnp
import pytest

from tests.interop import parity
from tests.oracles import library, torchvision
from vision_jax.interop import convert, leaves, published
from vision_jax.interop.families import alexnet, resnet, vgg
from vision_jax.models.backbones.alexnet import AlexNet
from vision_jax.models.backbones.resnet import ResNet
from vision_jax.models.backbones.vgg import VGG

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


FAMILIES = ("alexnet", "resnet", "vgg")
SOURCES = [
  name
  for name, (family, _) in published.sources().items()
  if family in FAMILIES and "." not in name and "bit" not in name
]


@pytest.mark.parametrize("source", SOURCES)
def test_names_of_the_published_size_are_all_there(source):
  """Without values, on torch's device that has no memory."""
  models, torch = torchvision().models, library("torch")
  kind, _, name = source.partition(":")
  with torch.device("meta"):
    theirs = models.get_model(name) if kind == "torchvision" else timms(name)
  layout, net = published.find(source)
  image = jax.ShapeDtypeStruct((1, *net.preprocess.size, 3), jnp.float32)
  shapes = leaves.shapes(leaves.abstract(net.model(), image))
  tensors = {
    name: convert.Tensor(tuple(x.shape), "float32", lambda: None)
    for name, x in theirs.state_dict().items()
  }
  found = convert.find(tensors, layout(shapes))
  assert found.mismatch(shapes) == []


def timms(name):
  """Returns a module of timm, once torchvision can be imported."""
  import timm

  return timm.create_model(name)
