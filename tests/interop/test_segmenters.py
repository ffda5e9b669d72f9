"""torchvision's segmenters: their outputs, names and classes are ours."""

import json

import jax
import jax.numpy as jnp
import pytest
from PIL import Image

import vision_jax
from tests.interop import parity, photographs
from tests.interop.test_end_to_end import apply, loaded, same, written
from tests.oracles import library, torchvision
from tests.programs.command import call
from vision_jax.interop import leaves, published
from vision_jax.interop.families import deeplabv3 as family
from vision_jax.interop.voc_names import VOC_NAMES
from vision_jax.layers.conv_norm import conv_norms
from vision_jax.layers.interpolate import bilinear
from vision_jax.models.backbones.resnet import ResNet
from vision_jax.models.segmentation.deeplabv3 import DeepLabV3, FCNHead

SIZE = (49, 65)
LRASPP = "torchvision:lraspp_mobilenet_v3_large"
ON_MOBILENET = ("torchvision:deeplabv3_mobilenet_v3_large", LRASPP)


def segmenter(source, **fields):
  """Returns one of torchvision's segmenters, drawn."""
  make = getattr(torchvision().models.segmentation, source.partition(":")[2])
  return parity.randomise(make(weights_backbone=None, **fields))


def on_resnet():
  """Returns torchvision's DeepLab v3 on a ResNet of short stages, drawn."""
  models = torchvision().models

  class Body(models.resnet.ResNet):
    def forward(self, x):
      x = self.maxpool(self.bn1(self.conv1(x)).relu())
      middle = self.layer3(self.layer2(self.layer1(x)))
      return {"out": self.layer4(middle), "aux": middle}

  kept = {"replace_stride_with_dilation": [False, True, True]}
  body = Body(models.resnet.Bottleneck, [1, 2, 2, 2], **kept)
  del body.fc
  parts, heads = models.segmentation.deeplabv3, models.segmentation.fcn
  own = parts.DeepLabHead(2048, 5), heads.FCNHead(1024, 5)
  return parity.randomise(parts.DeepLabV3(body, *own))


def outputs(module, x):
  """Returns a segmenter's outputs by name, channels last."""
  with library("torch").no_grad():
    found = module(parity.nchw(x))
  return {name: y.permute(0, 2, 3, 1) for name, y in found.items()}


def test_classes_are_named():
  assert len(VOC_NAMES) == 21 and VOC_NAMES[15] == "person"
  for source in ("torchvision:deeplabv3_resnet50", *ON_MOBILENET):
    _, net = published.find(source)
    assert net.class_names == VOC_NAMES and net.task == "segmentation"
    assert net.preprocess.size[0] == 520 and "520" in net.differs


@pytest.mark.slow
def test_deeplab_on_a_resnet_with_its_auxiliary_head():
  module, x = on_resnet(), parity.images(1, *SIZE, 3)
  ours = DeepLabV3(5, ResNet(0, (1, 2, 2, 2), dilated=2), auxiliary=True)
  given = parity.variables(module, family.on_resnet, ours, jnp.asarray(x))
  expected = outputs(module, x)

  @jax.jit
  def both(given, x):
    part = lambda name: {kind: given[kind][name] for kind in given}
    maps = ours.backbone.apply(part("backbone"), x, train=False, features=True)
    head = FCNHead(5, 0.1, conv_norms(train=False, mask=None))
    other = head.apply(part("auxiliary"), maps["c4"], train=False)
    return ours.apply(given, x, train=False), bilinear(other, SIZE)

  logits, auxiliary = both(given, x)
  parity.same(logits, expected["out"])
  parity.same(auxiliary, expected["aux"])


@pytest.mark.slow
@pytest.mark.parametrize("source", ON_MOBILENET)
def test_segmenters_on_a_mobilenet(source):
  layout, net = published.find(source)
  module, x = segmenter(source, num_classes=5), parity.images(1, *SIZE, 3)
  ours = net.model(num_classes=5)
  given = parity.variables(module, layout, ours, jnp.asarray(x))
  logits = jax.jit(lambda v, x: ours.apply(v, x, train=False))(given, x)
  parity.same(logits, outputs(module, x)["out"])


@pytest.mark.slow
@pytest.mark.parametrize("source", ON_MOBILENET)
def test_outputs_of_a_photograph_by_each_sides_transform(source, tmp_path):
  torch, module = library("torch"), segmenter(source)
  model, variables = loaded(written(module, tmp_path), source)
  photograph = photographs.photograph("china")[:420, :560]  # of 4 to 3
  (weights,) = torchvision().models.get_model_weights(source.partition(":")[2])
  theirs = weights.transforms()(Image.fromarray(photograph))[None]
  images = vision_jax.preprocess(model, [photograph])
  parity.same(images, theirs.permute(0, 2, 3, 1), 1e-5)
  with torch.no_grad():
    expected = module(theirs)["out"].permute(0, 2, 3, 1)
  same(source, apply(model, variables, images), expected)


@pytest.mark.slow
def test_a_published_file_becomes_a_workdir(tmp_path):
  module, file = segmenter(LRASPP), tmp_path / "lraspp.pth"
  library("torch").save(module.state_dict(), file)
  place = tmp_path / "w"
  how = ("--mode=import", f"--source={LRASPP}", f"--file={file}")
  result = call(*how, f"--output={place}", "--config.data_dir=none")
  assert result.code == 0, result.err
  values = json.loads((place / "config.json").read_text())["values"]
  assert tuple(values["class_names"]) == VOC_NAMES
  assert tuple(values["preprocess"]["size"]) == (520, 693)
  _, variables = vision_jax.load(place)
  shapes = leaves.shapes(variables)
  assert shapes["params/backbone/last/conv/kernel"] == (1, 1, 160, 960)
  assert shapes["params/high_head/kernel"] == (1, 1, 128, 21)
