"""ConvNeXt: torchvision's, timm's and Hugging Face's names and weights."""

import functools
from collections.abc import Mapping
from typing import Any

from vision_jax.data.transforms.preprocess import Preprocess
from vision_jax.interop.config_json import class_names, expect, num_classes
from vision_jax.interop.published import Published
from vision_jax.interop.rules import Rules, Shapes, conv, dense, leaf, norm
from vision_jax.models.backbones import convnext

BLOCK = "stage{1+1}_block{2+1}"


def torchvision(shapes: Shapes) -> Rules:
  """torchvision's names: stages and what is between them, in one row."""
  rules = [
    *conv(r"features\.0\.0", "embedding"),
    *norm(r"features\.0\.1", "embedding_norm"),
    *norm(r"classifier\.0", "norm"),
    *dense(r"classifier\.2", "head"),
  ]
  for stage in range(1, _stages(shapes) + 1):
    block = rf"features\.{2 * stage - 1}\.(\d+)"
    ours = f"stage{stage}_block{{1+1}}"
    rules += conv(rf"{block}\.block\.0", f"{ours}/conv")
    rules += norm(rf"{block}\.block\.2", f"{ours}/norm")
    rules += dense(rf"{block}\.block\.3", f"{ours}/mlp/dense1")
    rules += dense(rf"{block}\.block\.5", f"{ours}/mlp/dense2")
    rules += leaf(rf"{block}\.layer_scale", f"{ours}/scale")
    rules += _down(rf"features\.{2 * stage - 2}", f"down{stage}")
  return rules


def _stages(shapes: Shapes) -> int:
  """Returns the number of stages that our leaves are of."""
  names = {path.split("/")[1] for path in shapes}
  return len({x.split("_")[0] for x in names if x.startswith("stage")})


def timm(shapes: Shapes) -> Rules:
  """timm's names, and those of the authors' files."""
  del shapes
  block = r"stages\.(\d)\.(?:blocks\.)?(\d+)"
  return [
    *conv(r"(?:stem|downsample_layers\.0)\.0", "embedding"),
    *norm(r"(?:stem|downsample_layers\.0)\.1", "embedding_norm"),
    *_down(r"stages\.(\d)\.downsample"),
    *_down(r"downsample_layers\.([1-9])"),
    *conv(rf"{block}\.(?:conv_dw|dwconv)", f"{BLOCK}/conv"),
    *norm(rf"{block}\.norm", f"{BLOCK}/norm"),
    *dense(rf"{block}\.(?:mlp\.fc|pwconv)(\d)", f"{BLOCK}/mlp/dense{{3}}"),
    *leaf(rf"{block}\.gamma", f"{BLOCK}/scale"),
    *norm(r"(?:head\.)?norm", "norm"),
    *dense(r"head(?:\.fc)?", "head"),
  ]


def huggingface(shapes: Shapes) -> Rules:
  """Hugging Face's names, of a classifier or of a backbone by itself."""
  del shapes
  net = r"(?:convnext\.)?"
  stage = rf"{net}encoder\.stages\.(\d)"
  block = rf"{stage}\.layers\.(\d+)"
  return [
    *conv(rf"{net}embeddings\.patch_embeddings", "embedding"),
    *norm(rf"{net}embeddings\.layernorm", "embedding_norm"),
    *_down(rf"{stage}\.downsampling_layer"),
    *conv(rf"{block}\.dwconv", f"{BLOCK}/conv"),
    *norm(rf"{block}\.layernorm", f"{BLOCK}/norm"),
    *dense(rf"{block}\.pwconv(\d)", f"{BLOCK}/mlp/dense{{3}}"),
    *leaf(rf"{block}\.layer_scale_parameter", f"{BLOCK}/scale"),
    *norm(rf"{net}layernorm", "norm"),
    *dense("classifier", "head"),
  ]


def _down(theirs: str, ours: str = "down{1+1}") -> Rules:
  """A norm, then 2x2 patches."""
  return [
    *norm(rf"{theirs}\.0", f"{ours}_norm"),
    *conv(rf"{theirs}\.1", ours),
  ]


def from_config(config: Mapping[str, Any]) -> Published | None:
  """Returns the net of a config.json whose model_type is "convnext".

  Raises:
    UserError: for settings that the net here does not have.
  """
  if config.get("model_type") != "convnext":
    return None
  expect(config, hidden_act="gelu", num_channels=3)
  model = functools.partial(
    convnext.ConvNeXt,
    num_classes=num_classes(config),
    stages=tuple(config.get("depths", (3, 3, 9, 3))),
    widths=tuple(config.get("hidden_sizes", (96, 192, 384, 768))),
    patch=config.get("patch_size", 4),
  )
  size = config.get("image_size", 224)
  preprocess = _middle(size, middle="floored")
  return Published(
    model, "huggingface", preprocess, class_names=class_names(config)
  )


def _middle(size: int, **more: str) -> Preprocess:
  """The middle 7/8 of an image; from 384 pixels on, all of it, squeezed."""
  resize = int(size / 0.875) if size < 384 else 0
  return Preprocess((size, size), resize, "bicubic", **more)


def _published(size: str, layout: str, preprocess: Preprocess) -> Published:
  model = getattr(convnext, f"ConvNeXt{size[0].upper()}")
  return Published(
    functools.partial(model, num_classes=1000), layout, preprocess
  )


LAYOUTS = {
  "torchvision": torchvision,
  "timm": timm,
  "huggingface": huggingface,
}
_RESIZE = {"tiny": 236, "small": 230, "base": 232}  # torchvision's
PUBLISHED = {
  **{
    f"torchvision:convnext_{size}": _published(
      size, "torchvision", Preprocess(resize=resize)
    )
    for size, resize in _RESIZE.items()
  },
  **{
    f"timm:convnext_{size}.fb_in1k": _published(size, "timm", _middle(224))
    for size in _RESIZE
  },
}
