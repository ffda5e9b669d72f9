"""ResNet: torchvision's, timm's and Hugging Face's names and weights."""

import functools

from vision_jax.data.transforms.preprocess import Preprocess
from vision_jax.interop.published import Published
from vision_jax.interop.rules import (
  Rules,
  Shapes,
  conv,
  dense,
  norm,
)
from vision_jax.models.backbones import resnet

DEPTHS = (18, 34, 50, 101, 152)


def torchvision(shapes: Shapes) -> Rules:
  """torchvision's names, which timm's ResNets have too."""
  del shapes
  block = r"layer(\d)\.(\d+)"
  ours = "conv{1+1}_{2+1}"
  return [
    *conv("conv1", "conv1"),
    *norm("bn1", "bn1"),
    *conv(rf"{block}\.conv(\d)", f"{ours}/conv{{3}}"),
    *norm(rf"{block}\.bn(\d)", f"{ours}/bn{{3}}"),
    *conv(rf"{block}\.downsample\.0", f"{ours}/projection"),
    *norm(rf"{block}\.downsample\.1", f"{ours}/projection_bn"),
    *dense("fc", "fc"),
  ]


LAYOUTS = {"torchvision": torchvision}
PUBLISHED = {
  f"torchvision:resnet{depth}": Published(
    functools.partial(getattr(resnet, f"ResNet{depth}"), 1000),
    "torchvision",
    Preprocess(),
  )
  for depth in DEPTHS
}
