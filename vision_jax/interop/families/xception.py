"""Xception: timm's names and weights."""

import functools

from vision_jax.data.transforms.preprocess import Preprocess
from vision_jax.interop.published import Published
from vision_jax.interop.rules import Rules, Shapes, conv, dense, norm
from vision_jax.models.backbones import xception


def timm(shapes: Shapes) -> Rules:
  """timm's names: numbers in a block count rectifiers."""
  del shapes
  rules = []
  for first, block, ours in (
    (0, "block1", "block1"),  # without a rectifier at its beginning
    (1, r"block(\d+)", "block{1}"),
  ):
    for i in range(3):
      number, path = first + 3 * i, f"{ours}/separable{i + 1}"
      rules += _separable(rf"{block}\.rep\.{number}", path)
      rules += norm(rf"{block}\.rep\.{number + 1}", f"{path}/bn")
  return [
    *rules,
    *conv(r"block(\d+)\.skip", "block{1}/projection"),
    *norm(r"block(\d+)\.skipbn", "block{1}/projection_bn"),
    *conv(r"conv([12])", "conv{1}"),
    *norm(r"bn([12])", "bn{1}"),
    *_separable(r"conv([34])", "conv{1}"),
    *norm(r"bn([34])", "conv{1}/bn"),
    *dense("fc", "fc"),
  ]


def _separable(theirs: str, ours: str) -> Rules:
  return [
    *conv(rf"{theirs}\.conv1", f"{ours}/depthwise"),
    *conv(rf"{theirs}\.pointwise", f"{ours}/pointwise"),
  ]


LAYOUTS = {"timm": timm}
PUBLISHED = {
  "timm:legacy_xception.tf_in1k": Published(
    functools.partial(xception.Xception, num_classes=1000),
    "timm",
    Preprocess((299, 299), 333, "bicubic", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
  )
}
