"""EfficientNets of others: their names and outputs."""

import pytest

from tests.interop import parity
from tests.oracles import library, torchvision
from vision_jax.interop import leaves, published
from vision_jax.interop.families import efficientnet as family
from vision_jax.models.backbones.efficientnet import EfficientNet, Stage

# Fused, expansion, kernel, stride, features, blocks.
PLAIN = (Stage(False, 1, 3, 1, 8, 2), Stage(False, 6, 5, 2, 16, 2))
FUSED = (
  Stage(True, 1, 3, 1, 8, 2),
  Stage(True, 4, 3, 2, 16, 2),
  Stage(False, 4, 3, 2, 16, 2),
)


def of_torchvision(stages, stem, last):
  efficientnet = torchvision().models.efficientnet
  settings, c = [], stem
  for s in stages:
    make = efficientnet.MBConvConfig
    make = efficientnet.FusedMBConvConfig if s.fused else make
    settings.append(make(s.expand, s.kernel, s.stride, c, s.features, s.blocks))
    c = s.features
  return efficientnet.EfficientNet(
    settings, 0.2, num_classes=7, last_channel=last
  )


@pytest.mark.slow
@pytest.mark.parametrize("stages", [PLAIN, FUSED], ids=["v1", "v2"])
def test_torchvision(stages):
  theirs = of_torchvision(stages, 8, 32)
  ours = EfficientNet(7, stages, 8, 32)
  images = parity.images(2, 32, 40, 3)
  parity.check(theirs, family.torchvision, ours, images)


@pytest.mark.slow
def test_timm():
  torchvision()
  theirs = library("timm").create_model("efficientnet_b0", num_classes=7)
  images = parity.images(2, 48, 40, 3)
  parity.check(theirs, family.timm, EfficientNet(7), images)


def test_names_follow_what_a_block_has():
  image = parity.images(1, 16, 16, 3)
  shapes = leaves.shapes(leaves.abstract(EfficientNet(7, FUSED, 8, 32), image))
  theirs = {
    "features.1.0.block.0.0.weight": "stage1_block1/conv/kernel",
    "features.2.0.block.1.0.weight": "stage2_block1/project/kernel",
    "features.3.1.block.1.0.weight": "stage3_block2/depthwise/kernel",
    "features.3.1.block.2.fc2.bias": "stage3_block2/squeeze/expand/bias",
    "features.4.0.weight": "conv2/kernel",
  }
  rules = family.torchvision(shapes)
  for name, ours in theirs.items():
    found = [p for r in rules if (p := r.paths(name)) is not None]
    assert found == [(f"params/{ours}",)], name
    assert f"params/{ours}" in shapes


def test_the_published_ones_have_their_epsilon():
  model = lambda name: published.find(f"torchvision:efficientnet_{name}")[
    1
  ].model()
  assert [model(n).epsilon for n in ("b4", "b5", "v2_s")] == [1e-5, 1e-3, 1e-3]
  maps = model("v2_s").strides
  assert maps == {"c1": 2, "c2": 4, "c3": 8, "c4": 16, "c5": 32}
