"""Swin of others: their names, their settings, their outputs."""

import functools

import pytest

from tests.interop import parity
from tests.oracles import library, torchvision
from vision_jax.errors import UserError
from vision_jax.interop import convert, leaves, published
from vision_jax.interop.families import swin as family
from vision_jax.interop.tensors import Tensor
from vision_jax.models.backbones.swin import Swin

STAGES, HEADS, WINDOW = (2, 2), (2, 3), 4
OURS = functools.partial(Swin, 7, STAGES, 12, HEADS, WINDOW)
CONFIG = {
  "model_type": "swin",
  "depths": list(STAGES),
  "embed_dim": 12,
  "num_heads": list(HEADS),
  "window_size": WINDOW,
  "image_size": 48,
  "id2label": {str(i): f"class{i}" for i in range(7)},
}


RANDOMISE = parity.randomise


def of_torchvision():
  swin = torchvision().models.swin_transformer
  return swin.SwinTransformer(
    [4, 4], 12, list(STAGES), list(HEADS), [WINDOW] * 2, num_classes=7
  )


def of_timm(size=(48, 48)):
  torchvision()
  swin = library("timm").models.swin_transformer
  return swin.SwinTransformer(
    img_size=size,
    window_size=WINDOW,
    embed_dim=12,
    depths=STAGES,
    num_heads=HEADS,
    num_classes=7,
  )


def of_huggingface():
  transformers = library("transformers")
  options = {k: v for k, v in CONFIG.items() if k != "model_type"}
  config = transformers.SwinConfig(**options)
  return transformers.SwinForImageClassification(config)


def tables(module):
  """Makes what is added to scores as large as they are."""
  torch = library("torch")
  RANDOMISE(module)
  with torch.no_grad():
    for name, value in module.state_dict().items():
      if name.endswith("bias_table"):
        value.normal_(0, 2)
  return module


@pytest.mark.slow
@pytest.mark.parametrize(
  ("source", "size"),
  [
    ("torchvision", (48, 64)),  # whole windows, shifted
    ("torchvision", (40, 36)),  # padded at the first stage, odd at the second
    ("torchvision", (16, 40)),  # one window fills an axis
    ("timm", (48, 48)),
    ("huggingface", (48, 48)),
  ],
)
def test_outputs_are_theirs(monkeypatch, source, size):
  make = {
    "torchvision": of_torchvision,
    "timm": of_timm,
    "huggingface": of_huggingface,
  }
  out = (lambda y: y.logits) if source == "huggingface" else lambda y: y
  monkeypatch.setattr(parity, "randomise", tables)
  images, layout = parity.images(2, *size, 3), family.LAYOUTS[source]
  parity.check(make[source](), layout, OURS(), images, out=out)


@pytest.mark.slow
def test_a_saved_folder_has_the_names_that_are_read(tmp_path):
  """Files have the names of before version 5."""
  of_huggingface().save_pretrained(tmp_path)
  file = library("safetensors.numpy").load_file(tmp_path / "model.safetensors")
  assert any("attention.self.query" in name for name in file)
  layout, net = published.find("", CONFIG)
  image = parity.images(1, 48, 48, 3)
  shapes = leaves.shapes(leaves.abstract(net.model(), image))
  tensors = {name: Tensor.of(x) for name, x in file.items()}
  found = convert.convert(tensors, layout(shapes), shapes, where="f")
  assert set(found) == set(shapes)


def test_a_config_gives_the_net():
  layout, net = published.find("", CONFIG)
  assert layout is family.huggingface
  assert net.model() == OURS()
  assert (net.preprocess.size, net.preprocess.resize) == ((48, 48), 0)
  for change, message in (
    ({"qkv_bias": False}, "qkv_bias is False"),
    ({"window_size": 7}, "windows of 7 do not fit"),
  ):
    with pytest.raises(UserError, match=message):
      published.find("", CONFIG | change)


def test_the_authors_merges_end_a_stage():
  names = {
    "layers.0.downsample.norm.weight": "params/merge2/norm/scale",
    "layers.1.blocks.0.norm2.bias": "params/stage2_block1/norm2/bias",
    "head.weight": "params/head/kernel",
  }
  rules = family.microsoft({})
  for theirs, ours in names.items():
    first = next(p for r in rules if (p := r.paths(theirs)) is not None)
    assert first == (ours,), theirs
