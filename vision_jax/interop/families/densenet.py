"""DenseNet: torchvision's and timm's names and weights."""

import functools

from vision_jax.data.transforms.preprocess import Preprocess
from vision_jax.interop.published import Published
from vision_jax.interop.rules import Rules, Shapes, conv, dense, norm
from vision_jax.models.backbones import densenet


def torchvision(shapes: Shapes) -> Rules:
  """torchvision's names, timm's too; published files have conv.1 for conv1."""
  del shapes
  block = r"features\.denseblock(\d+)\.denselayer(\d+)"
  transition = r"features\.transition(\d+)"
  return [
    *conv(r"features\.conv0", "conv1"),
    *norm(r"features\.norm0", "bn1"),
    *conv(rf"{block}\.conv\.?(\d)", "block{1}_{2}/conv{3}"),
    *norm(rf"{block}\.norm\.?(\d)", "block{1}_{2}/bn{3}"),
    *conv(rf"{transition}\.conv", "transition{1}_conv"),
    *norm(rf"{transition}\.norm", "transition{1}_bn"),
    *norm(r"features\.norm5", "bn"),
    *dense("classifier", "fc"),
  ]


LAYOUTS = {"torchvision": torchvision, "timm": torchvision}
PUBLISHED = {
  f"torchvision:densenet{layers}": Published(
    functools.partial(getattr(densenet, f"DenseNet{layers}"), num_classes=1000),
    "torchvision",
    Preprocess(),
  )
  for layers in (121, 161, 169, 201)
}
