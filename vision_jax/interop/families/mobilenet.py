"""MobileNet v1, v2 and v3: torchvision's and timm's names and weights."""

import functools
import re
from collections.abc import Callable, Iterator

from vision_jax.data.transforms.preprocess import Preprocess
from vision_jax.interop.published import Published
from vision_jax.interop.rules import (
  Rule,
  Rules,
  Shapes,
  conv,
  conv_norm,
  dense,
)
from vision_jax.models.backbones import mobilenet_v3
from vision_jax.models.backbones.mobilenet_v1 import MobileNetV1
from vision_jax.models.backbones.mobilenet_v2 import MobileNetV2


def v2(shapes: Shapes) -> Rules:
  """torchvision's names of v2: layers by their numbers in a block."""
  blocks = _blocks(shapes)
  return [
    *_torchvision(blocks, shapes, r"\.conv", _plain),
    *_pair(rf"features\.{len(blocks) + 1}", "last"),
    *dense(r"classifier\.1", "fc"),
  ]


def v3(shapes: Shapes) -> Rules:
  """torchvision's names of v3, likewise."""
  return [
    *v3_features(shapes),
    *dense(r"classifier\.0", "hidden"),
    *dense(r"classifier\.3", "fc"),
  ]


def v3_features(shapes: Shapes, before: str = r"features\.") -> Rules:
  """Those of what is before the classifier: numbers after `before`."""
  blocks = _blocks(shapes)
  return [
    *_torchvision(blocks, shapes, r"\.block", _pair, before),
    *_pair(rf"{before}{len(blocks) + 1}", "last"),
  ]


def timm(shapes: Shapes) -> Rules:
  """timm's names of all three."""
  last = "conv_head", "bn2"
  if "params/hidden/kernel" in shapes:  # v3
    stages = max(stage for stage, _ in _blocks(shapes))
    head = rf"blocks\.{stages}\.0\.conv", rf"blocks\.{stages}\.0\.bn1"
    last = head
  return [
    *conv_norm("conv_stem", "bn1", "stem"),
    *(rule for at in _blocks(shapes) for rule in _timm_block(at, shapes)),
    *conv_norm(*last, "last"),
    *conv("conv_head", "hidden"),
    *dense("classifier", "fc"),
  ]


def _blocks(shapes: Shapes) -> list[tuple[int, int]]:
  """The blocks' numbers, (stage, block), in order."""
  found = (re.match(r"params/block(\d+)_(\d+)/", path) for path in shapes)
  return sorted({(int(m[1]), int(m[2])) for m in found if m})


def _torchvision(
  blocks: list[tuple[int, int]],
  shapes: Shapes,
  inner: str,
  project: Callable[..., Rules],
  before: str = r"features\.",
) -> Iterator[Rule]:
  yield from _pair(rf"{before}0", "stem")
  for number, (stage, i) in enumerate(blocks, 1):
    ours, theirs = f"block{stage}_{i}", rf"{before}{number}{inner}"
    has = lambda part, ours=ours: any(
      path.startswith(f"params/{ours}/{part}/") for path in shapes
    )
    parts = [p for p in ("expand", "depthwise", "squeeze", "project") if has(p)]
    for j, part in enumerate(parts):
      at, path = rf"{theirs}\.{j}", f"{ours}/{part}"
      if part == "squeeze":
        yield from conv(rf"{at}\.fc1", f"{path}/reduce")
        yield from conv(rf"{at}\.fc2", f"{path}/expand")
      elif part == "project":
        yield from project(at, path)
      else:
        yield from _pair(at, path)


def _pair(theirs: str, ours: str) -> Rules:
  return conv_norm(rf"{theirs}\.0", rf"{theirs}\.1", ours)


def _plain(theirs: str, ours: str) -> Rules:
  """A convolution and its norm that are numbers of their block."""
  block, number = theirs.rsplit(".", 1)
  return conv_norm(theirs, rf"{block}.{int(number) + 1}", ours)


def _timm_block(at: tuple[int, int], shapes: Shapes) -> Rules:
  stage, i = at
  ours, theirs = f"block{stage}_{i}", rf"blocks\.{stage - 1}\.{i - 1}"
  pair = lambda layer, n, part: conv_norm(
    rf"{theirs}\.{layer}", rf"{theirs}\.bn{n}", f"{ours}/{part}"
  )
  squeeze = [
    *conv(rf"{theirs}\.se\.conv_reduce", f"{ours}/squeeze/reduce"),
    *conv(rf"{theirs}\.se\.conv_expand", f"{ours}/squeeze/expand"),
  ]
  if f"params/{ours}/expand/conv/kernel" in shapes:
    inside = [*pair("conv_pw", 1, "expand"), *pair("conv_dw", 2, "depthwise")]
    return [*inside, *squeeze, *pair("conv_pwl", 3, "project")]
  pointwise = f"params/{ours}/pointwise/conv/kernel" in shapes  # v1
  last = pair("conv_pw", 2, "pointwise" if pointwise else "project")
  return [*pair("conv_dw", 1, "depthwise"), *squeeze, *last]


LAYOUTS = {"torchvision_v2": v2, "torchvision_v3": v3, "timm": timm}
_LARGE, _SMALL = mobilenet_v3.MobileNetV3Large, mobilenet_v3.MobileNetV3Small
_BICUBIC = Preprocess(interpolation="bicubic")
_HALF = (0.5, 0.5, 0.5)


def _published(make, layout, preprocess=None, **fields) -> Published:
  model = functools.partial(make, num_classes=1000, **fields)
  return Published(model, layout, preprocess or Preprocess())


PUBLISHED = {
  "torchvision:mobilenet_v2": _published(MobileNetV2, "torchvision_v2"),
  "torchvision:mobilenet_v2.imagenet1k_v2": _published(
    MobileNetV2, "torchvision_v2", Preprocess(resize=232)
  ),
  "torchvision:mobilenet_v3_large": _published(_LARGE, "torchvision_v3"),
  "torchvision:mobilenet_v3_large.imagenet1k_v2": _published(
    _LARGE, "torchvision_v3", Preprocess(resize=232)
  ),
  "torchvision:mobilenet_v3_small": _published(_SMALL, "torchvision_v3"),
  "timm:mobilenetv1_100.ra4_e3600_r224_in1k": _published(
    MobileNetV1,
    "timm",
    Preprocess(interpolation="bicubic", mean=_HALF, std=_HALF),
  ),
  "timm:mobilenetv2_100.ra_in1k": _published(MobileNetV2, "timm", _BICUBIC),
  "timm:mobilenetv3_large_100.ra_in1k": _published(
    _LARGE, "timm", _BICUBIC, epsilon=1e-5
  ),
  "timm:mobilenetv3_small_100.lamb_in1k": _published(
    _SMALL, "timm", _BICUBIC, epsilon=1e-5
  ),
}
