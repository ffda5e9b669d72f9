"""GoogLeNet and Inception v3: torchvision's and timm's names and weights.

Both of torchvision's published files want images of mean 0.5 and deviation 0.5,
which its modules make of ImageNet's by `transform_input`.
"""

import functools

from vision_jax.data.transforms.preprocess import Preprocess
from vision_jax.interop.published import Published
from vision_jax.interop.rules import (
  Rules,
  Shapes,
  conv_norm,
  dense,
  flattened,
  unused,
)
from vision_jax.models.backbones.googlenet import SIDES, GoogLeNet
from vision_jax.models.backbones.inception_v3 import SIZE, InceptionV3


def googlenet(shapes: Shapes) -> Rules:
  """torchvision's names; auxiliary heads only where the net has some."""
  block = r"(inception\d\w)\.branch"
  auxiliary = [unused(r"aux\d\..*")]
  if any(path.startswith("params/aux1/") for path in shapes):
    auxiliary = [
      rules
      for i in (1, 2)
      for rules in (
        _pair(rf"aux{i}\.conv", f"aux{i}/conv"),
        flattened(rf"aux{i}\.fc1", f"aux{i}/fc1", SIDES, shapes),
        dense(rf"aux{i}\.fc2", f"aux{i}/fc2"),
      )
    ]
  return [
    *_pair(r"conv(\d)", "conv{1}"),
    *_pair(rf"{block}1", "{1}/branch1"),
    *_pair(rf"{block}([23])\.(\d)", "{1}/branch{2}_{3+1}"),
    *_pair(rf"{block}4\.1", "{1}/branch4"),
    *(rule for rules in auxiliary for rule in rules),
    *dense("fc", "fc"),
  ]


def inception_v3(shapes: Shapes) -> Rules:
  """torchvision's and timm's names, which are ours."""
  auxiliary = unused(r"AuxLogits\..*")
  if any(path.startswith("params/AuxLogits/") for path in shapes):
    auxiliary = [
      *_pair(r"AuxLogits\.(conv\d)", "AuxLogits/{1}"),
      *dense(r"AuxLogits\.fc", "AuxLogits/fc"),
    ]
  return [
    *auxiliary,
    *_pair(r"(Conv2d_\w+)", "{1}"),
    *_pair(r"(Mixed_\w+)\.(\w+)", "{1}/{2}"),
    *dense("fc", "fc"),
  ]


def _pair(theirs: str, ours: str) -> Rules:
  return conv_norm(rf"{theirs}\.conv", rf"{theirs}\.bn", ours)


LAYOUTS = {"googlenet": googlenet, "inception_v3": inception_v3}
_HALF = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
PUBLISHED = {
  "torchvision:googlenet": Published(
    functools.partial(GoogLeNet, num_classes=1000),
    "googlenet",
    Preprocess(**_HALF),
  ),
  "torchvision:inception_v3": Published(
    functools.partial(InceptionV3, num_classes=1000),
    "inception_v3",
    Preprocess((SIZE, SIZE), 342, **_HALF),
  ),
}
