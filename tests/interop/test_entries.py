"""All that is published: fields by keyword, names at the published size."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.oracles import library, torchvision
from vision_jax.interop import convert, leaves, published

SOURCES = published.sources()
FLOAT = np.dtype("float32")
OF_FLAX = ("num_classes", "name", "parent")


def test_another_number_of_classes_leaves_all_else_as_it_is():
  checked = 0
  for name, (_, net) in SOURCES.items():
    if not net.num_classes or net.task == "zero_shot":
      continue
    whole, other = net.model(), net.model(num_classes=7)
    assert (type(other), other.num_classes) == (type(whole), 7), name
    for field in dataclasses.fields(whole):
      if field.name not in OF_FLAX:
        ours = getattr(other, field.name)
        assert ours == getattr(whole, field.name), f"{name}: {field.name}"
    checked += 1
  assert checked > 100


def mismatch(theirs, layout, net, size):
  """Returns what of a module's names is not in a net; reads no value."""
  image = jax.ShapeDtypeStruct((1, *size, 3), jnp.float32)
  model = net.model(dtype=jnp.bfloat16)  # in the forms of an accelerator
  shapes = leaves.shapes(leaves.abstract(model, image))
  tensors = {
    name: convert.Tensor(tuple(x.shape), FLOAT, lambda: None)
    for name, x in theirs.state_dict().items()
  }
  found = convert.find(tensors, layout(shapes))
  return found.mismatch(shapes)


OF_IMAGES = ("detection", "segmentation")  # which have backbones


def of_libraries():
  """Returns the sources whose nets torchvision or timm can make."""
  kinds = ("torchvision:", "timm:")
  names = [name for name in SOURCES if name.startswith(kinds)]
  return [name for name in names if not name.endswith("imagenet1k_v2")]


@pytest.mark.slow
@pytest.mark.parametrize("source", of_libraries())
def test_names_of_the_published_size_are_all_there(source):
  """Without values, on torch's device that has no memory."""
  models, torch = torchvision().models, library("torch")
  kind, _, name = source.partition(":")
  layout, net = published.find(source)
  with torch.device("meta"):
    if kind == "timm":
      classes = {"num_classes": net.num_classes}
      theirs = library("timm").create_model(name, **classes)
    else:
      bare = {"weights_backbone": None} if net.task in OF_IMAGES else {}
      theirs = models.get_model(name, **bare)
  assert mismatch(theirs, layout, net, net.preprocess.size) == []


KINDS = {
  "vit": "ViTForImageClassification",
  "deit": "DeiTForImageClassificationWithTeacher",
  "dinov2": "Dinov2Model",
  "dinov2_with_registers": "Dinov2WithRegistersForImageClassification",
  "vit_mae": "ViTMAEForPreTraining",
  "convnext": "ConvNextForImageClassification",
  "resnet": "ResNetForImageClassification",
  "swin": "SwinForImageClassification",
  "clip": "CLIPModel",
  "siglip": "SiglipModel",
  "detr": "DetrForObjectDetection",
  "deformable_detr": "DeformableDetrForObjectDetection",
  "rt_detr": "RTDetrForObjectDetection",
}
STAGES = {"detr": ["stage4"], "deformable_detr": ["stage2", "stage3", "stage4"]}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_names_of_transformers_own_size_are_all_there(kind):
  """Of a config without a single setting."""
  torchvision()
  torch, transformers = library("torch"), library("transformers")
  make = getattr(transformers, KINDS[kind])
  own = {}
  if kind in STAGES:
    body = transformers.ResNetConfig(out_features=STAGES[kind])
    own = {"use_timm_backbone": False, "backbone_config": body}
  config = make.config_class(**own)
  with torch.device("meta"):
    theirs = make(config)
  full = config.to_dict() | {"architectures": [KINDS[kind]]}
  layout, net = published.find("huggingface", full)
  size = (64, 96) if kind in STAGES else net.preprocess.size
  assert mismatch(theirs, layout, net, size) == []
