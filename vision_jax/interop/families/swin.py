"""Swin: torchvision's, timm's and Hugging Face's names and weights."""

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
  leaf,
  norm,
  unused,
)
from vision_jax.models.backbones import swin

_PARTS = ("query", "key", "value")  # in the order of a fused tensor
BLOCK = "stage{1+1}_block{2+1}"


def torchvision(shapes: Shapes) -> Rules:
  """torchvision's names: stages and what is between them, in one row."""
  rules = [
    *conv(r"features\.0\.0", "embedding"),
    *norm(r"features\.0\.2", "embedding_norm"),
    *norm("norm", "norm"),
    *dense("head", "head"),
  ]
  for stage in range(1, _stages(shapes) + 1):
    block = rf"features\.{2 * stage - 1}\.(\d+)"
    ours = f"stage{stage}_block{{1+1}}"
    rules += _fused(block, ours)
    rules += dense(rf"{block}\.mlp\.0", f"{ours}/mlp/dense1")
    rules += dense(rf"{block}\.mlp\.3", f"{ours}/mlp/dense2")
    rules += _merge(rf"features\.{2 * stage - 2}", f"merge{stage}")
  return rules


def _stages(shapes: Shapes) -> int:
  """Returns the number of stages that our leaves are of."""
  names = {path.split("/")[1] for path in shapes}
  return len({x.split("_")[0] for x in names if x.startswith("stage")})


def timm(shapes: Shapes) -> Rules:
  """timm's names: what is between stages is the later one's."""
  del shapes
  block = r"layers\.(\d)\.blocks\.(\d+)"
  return [
    *conv(r"patch_embed\.proj", "embedding"),
    *norm(r"patch_embed\.norm", "embedding_norm"),
    *_fused(block, BLOCK),
    *dense(rf"{block}\.mlp\.fc(\d)", f"{BLOCK}/mlp/dense{{3}}"),
    *unused(rf"{block}\.attn_mask"),
    *_merge(r"layers\.(\d)\.downsample", "merge{1+1}"),
    *norm("norm", "norm"),
    *dense(r"head\.fc", "head"),
  ]


def microsoft(shapes: Shapes) -> Rules:
  """The names of the authors' files: what is between is the former stage's."""
  return [
    *_merge(r"layers\.(\d)\.downsample", "merge{1+2}"),
    *dense("head", "head"),
    *timm(shapes),
  ]


def _fused(block: str, ours: str) -> Rules:
  """A block's attention, queries, keys and values in one tensor, and norms."""
  parts = [f"{ours}/attention/{part}" for part in _PARTS]
  number = ours.count("{") + 1  # of the group that is the norm's
  return [
    *dense(rf"{block}\.attn\.qkv", *parts),
    *dense(rf"{block}\.attn\.proj", f"{ours}/attention/out"),
    *leaf(
      rf"{block}\.attn\.relative_position_bias_table",
      f"{ours}/attention/positions",
    ),
    *unused(rf"{block}\.attn\.relative_position_index"),
    *norm(rf"{block}\.norm(\d)", f"{ours}/norm{{{number}}}"),
  ]


def huggingface(shapes: Shapes) -> Rules:
  """Hugging Face's names, before its version 5 and since."""
  del shapes
  net = r"(?:swin\.)?"
  block = rf"{net}encoder\.layers\.(\d)\.blocks\.(\d+)"
  attention, ours = rf"{block}\.attention", f"{BLOCK}/attention"
  positions = r"(?:self|relative_position_bias)\.relative_position"
  rules = [
    *conv(rf"{net}embeddings\.patch_embeddings\.projection", "embedding"),
    *norm(rf"{net}embeddings\.norm", "embedding_norm"),
    *dense(rf"{attention}\.(?:output\.dense|o_proj)", f"{ours}/out"),
    *leaf(rf"{attention}\.{positions}_bias_table", f"{ours}/positions"),
    *unused(rf"{attention}\.{positions}_index"),
    *norm(rf"{block}\.layernorm_before", f"{BLOCK}/norm1"),
    *norm(rf"{block}\.layernorm_after", f"{BLOCK}/norm2"),
    *dense(
      rf"{block}\.(?:intermediate\.dense|mlp\.fc1)", f"{BLOCK}/mlp/dense1"
    ),
    *dense(rf"{block}\.(?:output\.dense|mlp\.fc2)", f"{BLOCK}/mlp/dense2"),
    *_merge(rf"{net}encoder\.layers\.(\d)\.downsample", "merge{1+2}"),
    *norm(rf"{net}layernorm", "norm"),
    *dense("classifier", "head"),
  ]
  for part in _PARTS:
    names = rf"(?:self\.{part}|{part[0]}_proj)"
    rules += dense(rf"{attention}\.{names}", f"{ours}/{part}")
  return rules


def _merge(theirs: str, ours: str) -> Rules:
  return [
    *norm(rf"{theirs}\.norm", f"{ours}/norm"),
    *dense(rf"{theirs}\.reduction", f"{ours}/reduction"),
  ]


def from_config(config: Mapping[str, Any]) -> Published | None:
  """Returns the net of a config.json whose model_type is "swin".

  Raises:
    UserError: for settings that the net here does not have.
  """
  if config.get("model_type") != "swin":
    return None
  expect(
    config,
    hidden_act="gelu",
    num_channels=3,
    qkv_bias=True,
    use_absolute_embeddings=False,
  )
  stages, window = (
    config.get("depths", (2, 2, 6, 2)),
    config.get("window_size", 7),
  )
  size, patch = config.get("image_size", 224), config.get("patch_size", 4)
  if size // patch // 2 ** (len(stages) - 1) < window:
    raise UserError(
      f"config.json: windows of {window} do not fit into the last stage of "
      f"images of {size}; expected larger images."
    )
  model = functools.partial(
    swin.Swin,
    num_classes=num_classes(config),
    stages=tuple(stages),
    features=config.get("embed_dim", 96),
    heads=tuple(config.get("num_heads", (3, 6, 12, 24))),
    window=window,
    patch=patch,
    mlp_ratio=config.get("mlp_ratio", 4),
  )
  return Published(
    model,
    "huggingface",
    Preprocess((size, size), 0, "bicubic"),
    class_names=class_names(config),
  )


def _published(size: str, layout: str, resize: int) -> Published:
  model = getattr(swin, f"Swin{size[0].upper()}")
  return Published(
    functools.partial(model, num_classes=1000),
    layout,
    Preprocess(resize=resize, interpolation="bicubic"),
  )


LAYOUTS = {
  "torchvision": torchvision,
  "timm": timm,
  "microsoft": microsoft,
  "huggingface": huggingface,
}
PUBLISHED = {
  **{
    f"torchvision:swin_{size}": _published(size, "torchvision", resize)
    for size, resize in {"t": 232, "s": 246, "b": 238}.items()
  },
  **{
    f"timm:swin_{size}_patch4_window7_224.ms_in1k": _published(
      size, "timm", 248
    )
    for size in ("tiny", "small", "base")
  },
}
