"""Files as others publish them, with random weights."""

import re

import numpy as np
from safetensors.numpy import save_file

from vision_jax.interop import leaves
from vision_jax.interop.tensors import Tensor
from vision_jax.models.backbones.resnet import ResNet18


def write_resnet18(file, width=64):
  """Writes a ResNet-18 by torchvision's names; returns its arrays."""
  image = np.zeros((1, 64, 64, 3), np.float32)
  model = ResNet18(num_classes=1000, width=width)
  shapes = leaves.shapes(leaves.abstract(model, image))
  rng = np.random.default_rng(0)
  arrays = {
    name: _random(rng, x.shape)
    for name, x in names_of_torchvision(shapes).items()
  }
  save_file(arrays, file)
  return arrays


def write_vgg(file, depth):
  """Writes a VGG's convolutions by torchvision's names; returns its arrays."""
  each = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}[depth]
  rng, arrays, number, c = np.random.default_rng(0), {}, 0, 3
  for width, convolutions in zip((64, 128, 256, 512, 512), each, strict=True):
    for _ in range(convolutions):
      arrays[f"features.{number}.weight"] = _random(rng, (width, c, 3, 3))
      arrays[f"features.{number}.bias"] = np.zeros(width, np.float32)
      number, c = number + 2, width
    number += 1  # the pooling
  save_file(arrays, file)
  return arrays


def _random(rng, shape):
  """Weights by what they take in; scales, moments and biases about a half."""
  if len(shape) > 1:
    scale = max(np.prod(shape[1:]), 1) ** -0.5
    return rng.normal(0, scale, shape).astype(np.float32)
  return np.abs(rng.normal(0.5, 0.1, shape)).astype(np.float32)


def names_of_torchvision(shapes):
  """Returns what a torchvision file of these leaves would hold."""
  found = {}
  for path, shape in shapes.items():
    _, *layer, last = path.split("/")
    name = ".".join(layer)
    at = lambda m: f"layer{int(m[1]) - 1}.{int(m[2]) - 1}."
    name = re.sub(r"conv(\d)_(\d+)\.", at, name)
    name = name.replace("projection_bn", "downsample.1")
    name = name.replace("projection", "downsample.0")
    last = {
      "kernel": "weight",
      "scale": "weight",
      "mean": "running_mean",
      "var": "running_var",
    }.get(last, last)
    order = (3, 2, 0, 1) if len(shape) == 4 else range(len(shape))[::-1]
    x = np.zeros([shape[axis] for axis in order], np.float32)
    found[f"{name}.{last}"] = Tensor.of(x)
  return found
