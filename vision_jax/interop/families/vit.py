"""Vision transformers: torchvision's, timm's and Hugging Face's names.

DeiT, DINOv2 and MAE have the same layouts, see their families.
"""

import functools
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from vision_jax.data.transforms.preprocess import Preprocess
from vision_jax.errors import UserError
from vision_jax.interop.config_json import class_names, expect, num_classes
from vision_jax.interop.published import Published
from vision_jax.interop.rules import (
  PARTS,
  Rule,
  Rules,
  Shapes,
  conv,
  dense,
  in_proj,
  leaf,
  norm,
  unused,
)
from vision_jax.models.backbones.vit import ViT, variant

SIZES = {"tiny": "Ti", "small": "S", "base": "B", "large": "L", "huge": "H"}
TIMM = {  # patches of timm's nets of a size
  "tiny": (16,),
  "small": (16, 32),
  "base": (8, 16, 32),
  "large": (16, 32),
}
# The former is not there; the latter has no classes.
_UNPUBLISHED = {("base", 8, 384), ("large", 32, 224)}
# Of a net without classes: a workdir's has a new head.
FEATURES = {"task": "features", "config": "configs/classification/imported.py"}
HALF = {"mean": (0.5,) * 3, "std": (0.5,) * 3}


def torchvision(shapes: Shapes) -> Rules:
  """torchvision's names; mlp.linear_1 and linear_2 are those of its files."""
  del shapes
  block, ours = r"encoder\.layers\.encoder_layer_(\d+)", "block{1}"
  return [
    *leaf("class_token", "cls"),
    *leaf(r"encoder\.pos_embedding", "positions"),
    *conv("conv_proj", "embedding"),
    *norm(rf"{block}\.ln_(\d)", f"{ours}/norm{{2}}"),
    *in_proj(rf"{block}\.self_attention", f"{ours}/attention"),
    *dense(rf"{block}\.mlp\.(?:0|linear_1)", f"{ours}/mlp/dense1"),
    *dense(rf"{block}\.mlp\.(?:3|linear_2)", f"{ours}/mlp/dense2"),
    *norm(r"encoder\.ln", "norm"),
    *dense(r"heads\.pre_logits", "pre_logits"),
    *dense(r"heads\.head", "head"),
  ]


def timm(shapes: Shapes) -> Rules:
  """timm's names, and those of DeiT's, MAE's and DINOv2's own files."""
  block, ours = r"blocks\.(\d+)", "block{1}"
  qkv = [f"{ours}/attention/{part}" for part in PARTS]
  gated = "params/block0/mlp/gate/kernel" in shapes
  first = ("gate", "up") if gated else ("dense1",)
  last = "down" if gated else "dense2"
  return [
    *leaf("cls_token", "cls"),
    *leaf("dist_token", "distillation"),
    *leaf("reg_token|register_tokens", "registers"),
    *leaf("pos_embed", "positions"),
    *unused("mask_token"),
    *conv(r"patch_embed\.proj", "embedding"),
    *norm(rf"{block}\.norm(\d)", f"{ours}/norm{{2}}"),
    *dense(rf"{block}\.attn\.qkv", *qkv),
    *dense(rf"{block}\.attn\.proj", f"{ours}/attention/out"),
    *leaf(rf"{block}\.ls(\d)\.gamma", f"{ours}/layer_scale{{2}}"),
    *dense(
      rf"{block}\.mlp\.(?:fc1|w12)", *(f"{ours}/mlp/{name}" for name in first)
    ),
    *dense(rf"{block}\.mlp\.(?:fc2|w3)", f"{ours}/mlp/{last}"),
    *norm("norm", "norm"),
    *dense(r"pre_logits\.fc", "pre_logits"),
    *dense("head", "head"),
    *dense("head_dist", "head_distillation"),
  ]


def huggingface(shapes: Shapes) -> Rules:
  """Hugging Face's names, before its version 5 and since.

  A pooler is left out where our net has no `pre_logits`; MAE's decoder always.
  """
  net = r"(?:(?:vit|deit|dinov2|dinov2_with_registers)\.)?"
  pooler = ("pre_logits",) * ("params/pre_logits/kernel" in shapes)
  return [
    *leaf(rf"{net}embeddings\.cls_token", "cls"),
    *leaf(rf"{net}embeddings\.distillation_token", "distillation"),
    *leaf(rf"{net}embeddings\.register_tokens", "registers"),
    *leaf(rf"{net}embeddings\.position_embeddings", "positions"),
    *unused(rf"{net}embeddings\.mask_token"),
    *conv(rf"{net}embeddings\.patch_embeddings\.projection", "embedding"),
    *_block(rf"{net}(?:encoder\.layer|layers)\.(\d+)", "block{1}"),
    *norm(rf"{net}layernorm", "norm"),
    *dense(rf"{net}pooler\.dense", *pooler),
    *dense("(?:cls_)?classifier", "head"),
    *dense("distillation_classifier", "head_distillation"),
    *unused(r"decoder\..*"),
  ]


def _block(theirs: str, ours: str) -> Iterator[Rule]:
  for part in PARTS:
    old_or_new = rf"(?:attention\.{part}|{part[0]}_proj)"
    yield from dense(
      rf"{theirs}\.attention\.{old_or_new}", f"{ours}/attention/{part}"
    )
  rules = {
    r"attention\.(?:output\.dense|o_proj)": "attention/out",
    r"(?:intermediate\.dense|mlp\.fc1)": "mlp/dense1",
    r"(?:output\.dense|mlp\.fc2)": "mlp/dense2",
    r"mlp\.gate_proj": "mlp/gate",
    r"mlp\.up_proj": "mlp/up",
    r"mlp\.(?:weights_out|down_proj)": "mlp/down",
  }
  for name, path in rules.items():
    yield from dense(rf"{theirs}\.{name}", f"{ours}/{path}")
  gated = (f"{ours}/mlp/gate", f"{ours}/mlp/up")
  yield from dense(rf"{theirs}\.mlp\.weights_in", *gated)
  yield from norm(rf"{theirs}\.(?:layernorm_before|norm1)", f"{ours}/norm1")
  yield from norm(rf"{theirs}\.(?:layernorm_after|norm2)", f"{ours}/norm2")
  yield from leaf(
    rf"{theirs}\.layer_scale(\d)\.lambda1", f"{ours}/layer_scale{{2}}"
  )


def from_config(config: Mapping[str, Any]) -> Published | None:
  """Returns the net of a config.json whose model_type is "vit".

  Without a classifier a pooler is `pre_logits`: it is what Hugging Face made
  of the layer that the paper's nets have in pre-training.
  """
  if config.get("model_type") != "vit":
    return None
  classifies = config.get("architectures") != ["ViTModel"]
  model = functools.partial(
    ViT,
    **fields_of_config(config),
    num_classes=num_classes(config) if classifies else 0,
    pre_logits=not classifies,
  )
  side = side_of_config(config)
  return Published(
    model,
    "huggingface",
    Preprocess(side, 0, **HALF),
    **({"class_names": class_names(config)} if classifies else FEATURES),
  )


def fields_of_config(
  config: Mapping[str, Any], *, epsilon: float = 1e-12, act: str = "gelu"
) -> dict[str, Any]:
  """Returns the fields of a ViT that all config.json of its kind have.

  Args:
    config: of Hugging Face.
    epsilon: of norms where the config has none.
    act: activation likewise.

  Raises:
    UserError: for a setting that our net does not have.
  """
  expect(config, qkv_bias=True, num_channels=3)
  features, patch = config.get("hidden_size", 768), config.get("patch_size", 16)
  patch = patch[0] if isinstance(patch, list | tuple) else patch
  return {
    "patch": patch,
    "grid": tuple(side // patch for side in side_of_config(config)),
    "features": features,
    "depth": config.get("num_hidden_layers", 12),
    "heads": config.get("num_attention_heads", 12),
    "mlp_ratio": config.get("intermediate_size", 4 * features) / features,
    "epsilon": config.get("layer_norm_eps", epsilon),
    "mlp": activation(config.get("hidden_act", act)),
    "interpolation": "cubic_aliased",
  }


def activation(name: str) -> str:
  """Returns ours by Hugging Face's name of an activation.

  Raises:
    UserError: for one that we have not.
  """
  ours = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "quick_gelu": "gelu_sigmoid",
  }
  if name not in ours:
    raise UserError(
      f"config.json: the activation is {name!r}; expected one of "
      f"{', '.join(ours)}."
    )
  return ours[name]


def side_of_config(config: Mapping[str, Any]) -> tuple[int, int]:
  """Returns (height, width) of a config's images."""
  side = config.get("image_size", 224)
  return tuple(side) if isinstance(side, list | tuple) else (side, side)


def published(
  size: str,
  side: int,
  layout: str,
  preprocess: Preprocess,
  num_classes: int = 1000,
  **fields: Any,
) -> Published:
  """Returns a net of a published size, such as "B/16", and of square images."""
  patches = side // int(size.rpartition("/")[2])
  model = functools.partial(
    ViT,
    **{
      **variant(size),
      "grid": (patches, patches),
      "num_classes": num_classes,
      **fields,
    },
  )
  more = {} if num_classes else FEATURES
  return Published(model, layout, preprocess, **more)


def timm_crop(side: int, **colours: Any) -> Preprocess:
  """Returns timm's: 0.9 of the image at 224 pixels, all of it above."""
  short = int(side / 0.9) if side < 384 else side
  return Preprocess((side, side), short, "bicubic", **colours)


def _published() -> Iterator[tuple[str, Published]]:
  for size in ("b_16", "b_32", "l_16", "l_32"):
    name = size.upper().replace("_", "/")
    short = 242 if size == "l_16" else 256
    preprocess = Preprocess((224, 224), short)
    yield (
      f"torchvision:vit_{size}",
      published(name, 224, "torchvision", preprocess),
    )
  for size, patches in TIMM.items():
    for patch, side in itertools.product(patches, (224, 384)):
      if (size, patch, side) in _UNPUBLISHED:
        continue
      net = published(
        f"{SIZES[size]}/{patch}",
        side,
        "timm",
        timm_crop(side, **HALF),
        interpolation="cubic",
      )
      yield f"timm:vit_{size}_patch{patch}_{side}", net


LAYOUTS = {
  "torchvision": torchvision,
  "timm": timm,
  "huggingface": huggingface,
}
PUBLISHED = dict(_published())
