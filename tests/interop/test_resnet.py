"""Residual networks of others: their names, their settings, their outputs."""

import numpy as np
import pytest

from tests.interop import parity
from tests.interop.published_files import names_of_torchvision
from tests.oracles import library, torchvision
from vision_jax.errors import UserError
from vision_jax.forms.choice import cpu_forms
from vision_jax.interop import convert, foreign, leaves, published
from vision_jax.interop.families import resnet as family
from vision_jax.models.backbones.resnet import ResNet


@pytest.mark.slow
@pytest.mark.parametrize("bottleneck", [True, False])
def test_torchvision(bottleneck):
  resnet = torchvision().models.resnet
  block = resnet.Bottleneck if bottleneck else resnet.BasicBlock
  stages = (1, 2, 1, 1)
  theirs = resnet.ResNet(block, list(stages), num_classes=7)
  ours = ResNet(7, stages, bottleneck)
  images = parity.images(2, 64, 48, 3)
  parity.check(theirs, family.torchvision, ours, images)


def config_of(kind, **more):
  """Returns what the config.json of a narrow net of Hugging Face holds."""
  out = 4 if kind == "bottleneck" else 1
  return {
    "model_type": "resnet",
    "embedding_size": 8,
    "hidden_sizes": [8 * out * 2**i for i in range(4)],
    "depths": [1, 2, 1, 1],
    "layer_type": kind,
    "id2label": {str(i): f"class{i}" for i in range(7)},
    **more,
  }


@pytest.mark.slow
@pytest.mark.parametrize("on", [True, False], ids=["cpu", "xla"])
@pytest.mark.parametrize("kind", ["bottleneck", "basic"])
def test_huggingface(kind, on):
  transformers, config = library("transformers"), config_of(kind)
  options = {k: v for k, v in config.items() if k != "model_type"}
  theirs = transformers.ResNetForImageClassification(
    transformers.ResNetConfig(**options)
  )
  layout, net = published.find("", config)
  assert net.class_names == tuple(f"class{i}" for i in range(7))
  images = parity.images(2, 64, 48, 3)
  with cpu_forms(on):
    parity.check(theirs, layout, net.model(), images, out=lambda y: y.logits)


@pytest.mark.parametrize(
  ("change", "message"),
  [
    ({"hidden_act": "gelu"}, "hidden_act is 'gelu'.*expected 'relu'"),
    ({"hidden_sizes": [8, 16, 24, 32]}, r"expected \[8, 16, 32, 64\]"),
    ({"id2label": {"0": "a", "2": "b"}}, "expected each from 0 to 2"),
  ],
)
def test_a_config_of_another_net_is_refused(change, message):
  with pytest.raises(UserError, match=message):
    published.find("", config_of("basic", **change))


def test_a_leaf_that_is_missing_or_too_much_is_named():
  image = np.zeros((1, 32, 32, 3), np.float32)
  ours = ResNet(7, (1, 1), False, width=4)
  shapes = leaves.shapes(leaves.abstract(ours, image))
  rules = family.torchvision(shapes)
  tensors = names_of_torchvision(shapes)
  convert.convert(tensors, rules, shapes, where="f")
  wrapped = {f"module.{name}": x for name, x in tensors.items()}
  convert.convert(wrapped, rules, shapes, where="f")
  del tensors["layer2.0.conv1.weight"]
  tensors["layer9.weight"] = tensors["fc.bias"]
  tensors["fc.bias"] = convert.Tensor.of(np.zeros(8, np.float32))
  with pytest.raises(UserError) as error:
    convert.convert(tensors, rules, shapes, where="f")
  for part in ("params/conv3_1/conv1/kernel", "layer9.weight", "(8,)"):
    assert part in str(error.value)


def test_sources_are_found_by_name():
  layout, net = published.find("torchvision:resnet50")
  assert layout is family.torchvision
  assert net.preprocess.resize == 256
  with pytest.raises(UserError, match="torchvision:resnet50"):
    published.find("torchvison:resnet50")


def test_a_file_that_begins_a_run_is_widened_and_that_is_logged(caplog):
  shapes_of = lambda channels: leaves.shapes(
    leaves.abstract(
      ResNet(7, (1, 1), False, width=4),
      np.zeros((1, 32, 32, channels), np.float32),
    )
  )
  tensors = names_of_torchvision(shapes_of(3))
  kernel = np.random.default_rng(0).normal(size=(4, 3, 7, 7))
  tensors["conv1.weight"] = convert.Tensor.of(kernel.astype(np.float32))
  found = foreign.recognise(tensors, shapes_of(5), where="f")
  wide = found["params/conv1/kernel"].load()
  assert wide.shape == (7, 7, 5, 4)
  theirs = kernel.transpose(2, 3, 1, 0)
  np.testing.assert_allclose(wide.sum(2), theirs.sum(2), atol=1e-5)
  assert "reads 5 channels by its filters for 3" in caplog.text


def test_a_map_of_other_features_is_not_widened():
  image = np.zeros((1, 32, 32, 3), np.float32)
  net = ResNet(7, (1, 1), False, width=8)
  shapes = leaves.shapes(leaves.abstract(net, image))
  tensors = names_of_torchvision(shapes)
  name = "layer1.0.conv2.weight"
  tensors[name] = convert.Tensor.of(np.zeros((8, 6, 3, 3), np.float32))
  found = foreign.recognise(tensors, shapes, where="f")
  assert found["params/conv2_1/conv2/kernel"].shape == (3, 3, 6, 8)
