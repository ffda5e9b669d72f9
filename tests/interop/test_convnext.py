"""ConvNeXt of others: their names, their settings, their outputs."""

import functools

import numpy as np
import pytest

from tests.interop import parity
from tests.oracles import library, torchvision
from vision_jax.errors import UserError
from vision_jax.interop import published
from vision_jax.interop.families import convnext as family
from vision_jax.models.backbones.convnext import ConvNeXt

STAGES, WIDTHS = (1, 2, 1, 1), (8, 12, 16, 20)
OURS = functools.partial(ConvNeXt, 7, STAGES, WIDTHS)
CONFIG = {
  "model_type": "convnext",
  "depths": list(STAGES),
  "hidden_sizes": list(WIDTHS),
  "id2label": {str(i): f"class{i}" for i in range(7)},
}


def of_torchvision():
  module = torchvision().models.convnext
  settings = [
    module.CNBlockConfig(width, after, blocks)
    for width, after, blocks in zip(
      WIDTHS, (*WIDTHS[1:], None), STAGES, strict=True
    )
  ]
  return module.ConvNeXt(settings, num_classes=7)


def of_timm():
  torchvision()
  convnext = library("timm").models.convnext
  return convnext.ConvNeXt(depths=STAGES, dims=WIDTHS, num_classes=7)


def of_huggingface():
  transformers = library("transformers")
  options = {k: v for k, v in CONFIG.items() if k != "model_type"}
  config = transformers.ConvNextConfig(**options)
  return transformers.ConvNextForImageClassification(config)


@pytest.mark.slow
@pytest.mark.parametrize("source", ["torchvision", "timm", "huggingface"])
def test_outputs_are_theirs(source):
  make = {
    "torchvision": of_torchvision,
    "timm": of_timm,
    "huggingface": of_huggingface,
  }
  out = (lambda y: y.logits) if source == "huggingface" else lambda y: y
  images, layout = parity.images(2, 40, 64, 3), family.LAYOUTS[source]
  parity.check(make[source](), layout, OURS(), images, out=out)


def test_a_config_gives_the_net():
  layout, net = published.find("", CONFIG)
  assert layout is family.huggingface
  assert net.model() == OURS()
  assert net.class_names == tuple(f"class{i}" for i in range(7))
  assert net.preprocess.resize == 256
  large = published.find("", CONFIG | {"image_size": 384})[1].preprocess
  assert (large.size, large.resize) == ((384, 384), 0)
  with pytest.raises(UserError, match="hidden_act is 'relu'"):
    published.find("", CONFIG | {"hidden_act": "relu"})


def test_the_authors_names_are_timms():
  """The files of the paper have a row of downsampling layers."""
  names = {
    "downsample_layers.0.0.weight": "params/embedding/kernel",
    "downsample_layers.0.1.bias": "params/embedding_norm/bias",
    "downsample_layers.1.0.weight": "params/down2_norm/scale",
    "downsample_layers.2.1.weight": "params/down3/kernel",
    "stages.1.0.dwconv.weight": "params/stage2_block1/conv/kernel",
    "stages.1.1.pwconv2.bias": "params/stage2_block2/mlp/dense2/bias",
    "stages.0.0.gamma": "params/stage1_block1/scale",
    "norm.weight": "params/norm/scale",
    "head.weight": "params/head/kernel",
  }
  rules = family.timm({})
  for theirs, ours in names.items():
    first = next(p for r in rules if (p := r.paths(theirs)) is not None)
    assert first == (ours,), theirs


def test_weights_are_of_every_width():
  for name, width in {"tiny": 768, "small": 768, "base": 1024}.items():
    model = published.find(f"torchvision:convnext_{name}")[1].model()
    assert model.widths[-1] == width and model.num_classes == 1000
    assert np.prod(model.stages) == 3**3 * (9 if name == "tiny" else 27)
