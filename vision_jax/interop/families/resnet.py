"""ResNet: torchvision's, timm's and Hugging Face's names and weights."""

import functools
from collections.abc import Mapping
from typing import Any

from vision_jax.data.transforms.preprocess import Preprocess
from vision_jax.errors import UserError
from vision_jax.interop.config_json import class_names, expect, num_classes
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
WIDE = {
  "resnext50_32x4d": resnet.ResNeXt50_32x4d,
  "resnext101_32x8d": resnet.ResNeXt101_32x8d,
  "wide_resnet50_2": resnet.WideResNet50_2,
  "wide_resnet101_2": resnet.WideResNet101_2,
}


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


def huggingface(shapes: Shapes) -> Rules:
  """Hugging Face's names, of a classifier or of a backbone by itself."""
  del shapes
  net = r"(?:resnet\.)?"
  block = rf"{net}encoder\.stages\.(\d)\.layers\.(\d+)"
  ours = "conv{1+2}_{2+1}"
  return [
    *_layer(rf"{net}embedder\.embedder", "conv1", "bn1"),
    *_layer(rf"{net}embedder\.embedder\.(\d)", "conv1_{1+1}", "bn1_{1+1}"),
    *_layer(
      rf"{block}\.layer\.(\d)", f"{ours}/conv{{3+1}}", f"{ours}/bn{{3+1}}"
    ),
    *_layer(
      rf"{block}\.shortcut(?:\.1)?",
      f"{ours}/projection",
      f"{ours}/projection_bn",
    ),
    *dense(r"classifier\.1", "fc"),
  ]


def _layer(theirs: str, ours: str, ours_norm: str) -> Rules:
  return [
    *conv(rf"{theirs}\.convolution", ours),
    *norm(rf"{theirs}\.normalization", ours_norm),
  ]


def from_config(config: Mapping[str, Any]) -> Published | None:
  """Returns the net of a config.json whose model_type is "resnet".

  Raises:
    UserError: for settings that the net here does not have.
  """
  if config.get("model_type") != "resnet":
    return None
  model = functools.partial(
    body_of_config(config), num_classes=num_classes(config)
  )
  preprocess = Preprocess(interpolation="bicubic", middle="floored")
  return Published(
    model, "huggingface", preprocess, class_names=class_names(config)
  )


def body_of_config(config: Mapping[str, Any]) -> functools.partial:
  """Returns `ResNet` with the fields of a config.json, without classes.

  It is ResNet-D where the model_type is "rt_detr_resnet".
  """
  expect(
    config,
    hidden_act="relu",
    downsample_in_first_stage=False,
    downsample_in_bottleneck=False,
    num_channels=3,
  )
  bottleneck = config.get("layer_type", "bottleneck") == "bottleneck"
  width = config.get("embedding_size", 64)
  sizes = config.get("hidden_sizes", [256, 512, 1024, 2048])
  ours = [width * (4 if bottleneck else 1) * 2**i for i in range(len(sizes))]
  if list(sizes) != ours:
    raise UserError(
      f"config.json: hidden_sizes is {sizes}; expected {ours}, widths that "
      f"double from embedding_size {width}."
    )
  deep = config.get("model_type") == "rt_detr_resnet"
  return functools.partial(
    resnet.ResNet,
    **({"stem": "deep", "shortcut": "D"} if deep else {}),
    stages=tuple(config.get("depths", (3, 4, 6, 3))),
    bottleneck=bottleneck,
    width=width,
  )


def _published(depth: int, preprocess: Preprocess) -> Published:
  return _of(getattr(resnet, f"ResNet{depth}"), preprocess)


def _of(make: functools.partial, preprocess: Preprocess) -> Published:
  model = functools.partial(make, num_classes=1000)
  return Published(model, "torchvision", preprocess)


LAYOUTS = {"torchvision": torchvision, "huggingface": huggingface}
# Of the same net torchvision has two sets of weights: the paper's recipe, and a
# later one, that looks at a larger middle.
PUBLISHED = {
  **{f"torchvision:resnet{d}": _published(d, Preprocess()) for d in DEPTHS},
  **{
    f"torchvision:resnet{d}.imagenet1k_v2": _published(
      d, Preprocess(resize=232)
    )
    for d in (50, 101, 152)
  },
  **{f"torchvision:{n}": _of(make, Preprocess()) for n, make in WIDE.items()},
  **{
    f"torchvision:{n}.imagenet1k_v2": _of(make, Preprocess(resize=232))
    for n, make in WIDE.items()
  },
  "torchvision:resnext101_64x4d": _of(
    resnet.ResNeXt101_64x4d, Preprocess(resize=232)
  ),
  **{
    f"timm:resnet{d}.a1_in1k": _published(
      d, Preprocess(resize=235, interpolation="bicubic")
    )
    for d in DEPTHS
  },
}
