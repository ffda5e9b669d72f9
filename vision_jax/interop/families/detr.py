"""DETR: facebookresearch's and Hugging Face's names and weights."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

from vision_jax.data.transforms.preprocess import Preprocess
from vision_jax.errors import UserError
from vision_jax.interop.coco_names import COCO_NAMES
from vision_jax.interop.config_json import class_names, expect, num_classes
from vision_jax.interop.families import resnet
from vision_jax.interop.published import Published
from vision_jax.interop.rules import (
  PARTS,
  Rules,
  Shapes,
  conv,
  dense,
  in_proj,
  leaf,
  norm,
  within,
)
from vision_jax.models.detection import detr


def facebook(shapes: Shapes) -> Rules:
  """The names of facebookresearch/detr; frozen norms count no batches."""
  layer = r"transformer\.(encoder|decoder)\.layers\.(\d+)"
  ours = "{1}{2+1}"
  return [
    *within(r"backbone\.0\.body", "backbone", resnet.torchvision(shapes)),
    *conv("input_proj", "projection_c5"),
    *leaf(r"query_embed\.weight", "query_positions"),
    *in_proj(rf"{layer}\.self_attn", f"{ours}/self_attention"),
    *in_proj(rf"{layer}\.multihead_attn", f"{ours}/cross_attention"),
    *dense(rf"{layer}\.linear(\d)", f"{ours}/dense{{3}}"),
    *norm(rf"{layer}\.norm(\d)", f"{ours}/norm{{3}}"),
    *norm(r"transformer\.decoder\.norm", "decoder_norm"),
    *dense("class_embed", "class_head"),
    *dense(r"bbox_embed\.layers\.(\d)", "box_head/dense{1+1}"),
  ]


def huggingface(shapes: Shapes) -> Rules:
  """Hugging Face's names, before its version 5 and since.

  The backbone is timm's or its own.
  """
  body = r"model\.backbone\.(?:conv_encoder\.)?model"
  layer = r"model\.(encoder|decoder)\.layers\.(\d+)"
  ours = "{1}{2+1}"
  return [
    *within(body, "backbone", resnet.torchvision(shapes)),
    *within(body, "backbone", resnet.huggingface(shapes)),
    *conv(r"model\.input_projection", "projection_c5"),
    *leaf(r"model\.query_position_embeddings\.weight", "query_positions"),
    *separate(rf"{layer}\.self_attn", f"{ours}/self_attention"),
    *separate(rf"{layer}\.encoder_attn", f"{ours}/cross_attention"),
    *norm(rf"{layer}\.self_attn_layer_norm", f"{ours}/norm1"),
    *norm(rf"{layer}\.encoder_attn_layer_norm", f"{ours}/norm2"),
    *norm(
      r"model\.(encoder)\.layers\.(\d+)\.final_layer_norm", f"{ours}/norm2"
    ),
    *norm(
      r"model\.(decoder)\.layers\.(\d+)\.final_layer_norm", f"{ours}/norm3"
    ),
    *dense(rf"{layer}\.(?:mlp\.)?fc(\d)", f"{ours}/dense{{3}}"),
    *norm(r"model\.decoder\.layernorm", "decoder_norm"),
    *dense("class_labels_classifier", "class_head"),
    *dense(r"bbox_predictor\.layers\.(\d)", "box_head/dense{1+1}"),
  ]


def separate(theirs: str, ours: str) -> Rules:
  """Attention's four linear layers, as Hugging Face names them."""
  rules = dense(rf"{theirs}\.o(?:ut)?_proj", f"{ours}/out")
  for part in PARTS:
    rules += dense(rf"{theirs}\.{part[0]}_proj", f"{ours}/{part}")
  return rules


def from_config(config: Mapping[str, Any]) -> Published | None:
  """Returns the net of a config.json whose model_type is "detr".

  Raises:
    UserError: for settings that the net here does not have.
  """
  if config.get("model_type") != "detr":
    return None
  expect(
    config,
    activation_function="relu",
    position_embedding_type="sine",
    encoder_layerdrop=0.0,
    decoder_layerdrop=0.0,
  )
  model = functools.partial(
    on_backbone,
    detr.Detr,
    num_classes=num_classes(config),
    backbone=functools.partial(
      backbone_of_config(config),
      num_classes=0,
      frozen_norm=True,
      dilated=int(config.get("dilation", False)),
    ),
    num_queries=config.get("num_queries", 100),
    features=config.get("d_model", 256),
    heads=same(config, "attention_heads", 8),
    hidden=same(config, "ffn_dim", 2048),
    dropout=config.get("dropout", 0.1),
    encoder_layers=config.get("encoder_layers", 6),
    decoder_layers=config.get("decoder_layers", 6),
  )
  return published(model, "huggingface", class_names(config))


def on_backbone(
  detector: Callable[..., Any], backbone: functools.partial, **fields: Any
) -> Any:
  """Returns a net whose type to compute in is its backbone's too."""
  shared = {k: fields[k] for k in ("dtype", "remat") if k in fields}
  return detector(backbone=backbone(**shared), **fields)


def same(config: Mapping[str, Any], name: str, default: int) -> int:
  """Returns a setting that encoder and decoder have in common."""
  encoder, decoder = (
    config.get(f"{side}_{name}", default) for side in ("encoder", "decoder")
  )
  if encoder != decoder:
    raise UserError(
      f"config.json: encoder_{name} is {encoder} and decoder_{name} {decoder}; "
      "expected the same: the net here has one setting for both."
    )
  return encoder


def backbone_of_config(config: Mapping[str, Any]) -> functools.partial:
  """Returns the ResNet of a config: timm's by name, or one of its own."""
  inner = config.get("backbone_config") or {}
  if inner.get("model_type") == "resnet":
    return resnet.body_of_config(inner)
  name = inner.get("backbone") or config.get("backbone") or "resnet50"
  known = {x.replace("R", "resnet"): x for x in detr.BACKBONES if x[0] == "R"}
  name = name.partition(".")[0]
  if name not in known:
    raise UserError(
      f"config.json: backbone is {name!r}; expected one of {', '.join(known)}."
    )
  return detr.BACKBONES[known[name]]


def published(
  model: Callable[..., Any], layout: str, names: tuple[str, ...] = ()
) -> Published:
  """Returns a detector of COCO's images as they are, and so published."""
  return Published(
    model,
    layout,
    Preprocess((800, 1333), 0),
    task="detection",
    class_names=names,
    differs=(
      "published are images of their own proportions, the short side 800 "
      "pixels and the long one 1333 at most, as the config coco_detr_r50 has "
      "them"
    ),
  )


LAYOUTS = {"facebook": facebook, "huggingface": huggingface}
_SIZES = ("R50", "R101", "R50-DC5", "R101-DC5")
PUBLISHED = {
  f"facebook:detr_{name.lower().replace('-', '_')}": published(
    functools.partial(detr.variant, name=name, num_classes=len(COCO_NAMES)),
    "facebook",
    COCO_NAMES,
  )
  for name in _SIZES
}
