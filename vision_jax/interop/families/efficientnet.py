"""EfficientNet: torchvision's and timm's names and weights."""

import functools
from collections.abc import Iterator

from vision_jax.data.transforms.preprocess import Preprocess
from vision_jax.interop.published import Published
from vision_jax.interop.rules import Rule, Rules, Shapes, conv, dense, norm
from vision_jax.models.backbones import efficientnet

# The layers that a block may have, in their order.
_LAYERS = ("expand", "conv", "depthwise", "squeeze", "project")


def torchvision(shapes: Shapes) -> Rules:
  """torchvision's names: a block's layers are numbered by what it has."""
  last = max(stage for stage, *_ in _blocks(shapes)) + 1
  rules = [
    *_layer(r"features\.0\.{}", "conv1", "bn1", ("0", "1")),
    *_layer(rf"features\.{last}\.{{}}", "conv2", "bn2", ("0", "1")),
    *dense(r"classifier\.1", "fc"),
  ]
  for stage, block, ours, layers in _blocks(shapes):
    for i, name in enumerate(layers):
      theirs = rf"features\.{stage}\.{block - 1}\.block\.{i}"
      if name == "squeeze":
        rules += conv(rf"{theirs}\.fc1", f"{ours}/squeeze/reduce")
        rules += conv(rf"{theirs}\.fc2", f"{ours}/squeeze/expand")
      else:
        path = f"{ours}/{name}"
        rules += _layer(rf"{theirs}\.{{}}", path, f"{path}_bn", ("0", "1"))
  return rules


def timm(shapes: Shapes) -> Rules:
  """timm's names: a block's norms are numbered, and convolutions named."""
  rules = [
    *_layer("{}", "conv1", "bn1", ("conv_stem", "bn1")),
    *_layer("{}", "conv2", "bn2", ("conv_head", "bn2")),
    *dense("classifier", "fc"),
  ]
  for stage, block, ours, layers in _blocks(shapes):
    theirs = rf"blocks\.{stage - 1}\.{block - 1}"
    rules += conv(
      rf"{theirs}\.se\.conv_(reduce|expand)", f"{ours}/squeeze/{{1}}"
    )
    layers = [name for name in layers if name != "squeeze"]
    for i, name in enumerate(layers):
      names = (_timm_conv(name, layers), f"bn{i + 1}")
      path = f"{ours}/{name}"
      rules += _layer(rf"{theirs}\.{{}}", path, f"{path}_bn", names)
  return rules


def _timm_conv(name: str, layers: list[str]) -> str:
  if name == "project":  # "linear", where it narrows what was expanded
    return "conv_pw" if layers[0] == "depthwise" else "conv_pwl"
  if name == "conv":
    return "conv" if layers == ["conv"] else "conv_exp"
  return {"expand": "conv_pw", "depthwise": "conv_dw"}[name]


def _layer(
  theirs: str, ours: str, ours_norm: str, names: tuple[str, str]
) -> list[Rule]:
  """A convolution and its norm, by their two names within `theirs`."""
  return [
    *conv(theirs.format(names[0]), ours),
    *norm(theirs.format(names[1]), ours_norm),
  ]


def _blocks(shapes: Shapes) -> Iterator[tuple[int, int, str, list[str]]]:
  """Yields each block's stage, number, path and layers, from our leaves."""
  layers: dict[str, set[str]] = {}
  for path in shapes:
    _, block, *rest = path.split("/")
    if block.startswith("stage"):
      layers.setdefault(block, set()).add(rest[0])
  for path, found in layers.items():
    stage, block = path.removeprefix("stage").split("_block")
    yield int(stage), int(block), path, [x for x in _LAYERS if x in found]


BICUBIC = functools.partial(Preprocess, interpolation="bicubic")
_TORCHVISION = {  # size and what the short side is resized to
  "b0": BICUBIC((224, 224), 256),
  "b1": BICUBIC((240, 240), 256),
  "b1.imagenet1k_v2": Preprocess((240, 240), 255),
  "b2": BICUBIC((288, 288), 288),
  "b3": BICUBIC((300, 300), 320),
  "b4": BICUBIC((380, 380), 384),
  "b5": BICUBIC((456, 456), 456),
  "b6": BICUBIC((528, 528), 528),
  "b7": BICUBIC((600, 600), 600),
  "v2_s": Preprocess((384, 384), 384),
  "v2_m": Preprocess((480, 480), 480),
}


def _published(name: str, layout: str, preprocess: Preprocess) -> Published:
  size = name.partition(".")[0].replace("_", "").upper()
  model = getattr(efficientnet, f"EfficientNet{size}")
  return Published(
    functools.partial(model, num_classes=1000), layout, preprocess
  )


LAYOUTS = {"torchvision": torchvision, "timm": timm}
# timm's with "tf_" pad as TensorFlow does, which is another net.
PUBLISHED = {
  **{
    f"torchvision:efficientnet_{name}": _published(name, "torchvision", each)
    for name, each in _TORCHVISION.items()
  },
  "timm:efficientnet_b0.ra_in1k": _published(
    "b0", "timm", BICUBIC((224, 224), 256)
  ),
}
