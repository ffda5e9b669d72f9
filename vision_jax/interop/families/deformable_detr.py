"""Deformable DETR: Hugging Face's names and weights."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

from vision_jax.errors import UserError
from vision_jax.interop.config_json import class_names, expect, num_classes
from vision_jax.interop.families import resnet
from vision_jax.interop.families.detr import (
  backbone_of_config,
  on_backbone,
  published,
  same,
  separate,
)
from vision_jax.interop.published import Published
from vision_jax.interop.rules import (
  Rule,
  Rules,
  Shapes,
  conv,
  dense,
  leaf,
  norm,
  unused,
  within,
)
from vision_jax.models.detection.deformable_detr import DeformableDetr

_LEVELS = ("c3", "c4", "c5")
_HEADS = r"(?:model\.decoder\.)?{}_embed"
_PARTS = {  # of deformable attention
  "sampling_offsets": "offsets",
  "attention_weights": "weights",
  "value_proj": "value",
  "output_proj": "out",
}


def huggingface(shapes: Shapes) -> Rules:
  """Hugging Face's names, before its version 5 and since."""
  body = r"model\.backbone\.(?:conv_encoder\.)?model"
  layer = r"model\.{}\.layers\.(\d+)"
  encoder = layer.format("encoder")
  rules = [
    *within(body, "backbone", resnet.torchvision(shapes)),
    *within(body, "backbone", resnet.huggingface(shapes)),
    *_maps(shapes),
    *leaf(r"model\.level_embed", "level_positions"),
    *leaf(r"model\.query_position_embeddings\.weight", "query_positions"),
    *dense(r"model\.reference_points", "reference_points"),
    *_looks(rf"{encoder}\.self_attn", "encoder{1+1}/self_attention"),
    *around(encoder, "encoder{1+1}", 2),
    *decoder_layers(layer.format("decoder")),
  ]
  return [*rules, *_heads(shapes), *_proposals()]


def decoder_layers(theirs: str) -> Rules:
  """Layers of a deformable decoder, numbered by the first group of `theirs`."""
  ours = "decoder{1+1}"
  return [
    *separate(rf"{theirs}\.self_attn", f"{ours}/self_attention"),
    *_looks(rf"{theirs}\.encoder_attn", f"{ours}/cross_attention"),
    *norm(rf"{theirs}\.encoder_attn_layer_norm", f"{ours}/norm2"),
    *around(theirs, ours, 3),
  ]


def around(theirs: str, ours: str, last: int) -> Rules:
  """What a layer has besides attention: MLP, first norm and the `last` one."""
  return [
    *norm(rf"{theirs}\.self_attn_layer_norm", f"{ours}/norm1"),
    *norm(rf"{theirs}\.final_layer_norm", f"{ours}/norm{last}"),
    *dense(rf"{theirs}\.(?:mlp\.)?fc(\d)", f"{ours}/dense{{2}}"),
  ]


def _maps(shapes: Shapes) -> Rules:
  """The projections, numbered from the first level on."""
  start = "params/projection_c"
  first = min(
    (int(x[len(start)]) for x in shapes if x.startswith(start)), default=3
  )
  ours = f"projection_c{{1+{first}}}"
  return [
    *conv(r"model\.input_proj\.(\d)\.0", ours),
    *norm(r"model\.input_proj\.(\d)\.1", f"{ours}_norm"),
  ]


def _looks(theirs: str, ours: str) -> Rules:
  rules = []
  for name, part in _PARTS.items():
    rules += dense(rf"{theirs}\.{name}", f"{ours}/{part}")
  return rules


def _proposals() -> Rules:
  """What two stages have."""
  return [
    *dense(r"model\.enc_output", "token_dense"),
    *norm(r"model\.enc_output_norm", "token_norm"),
    *dense(r"model\.pos_trans", "position_dense"),
    *norm(r"model\.pos_trans_norm", "position_norm"),
  ]


def _heads(shapes: Shapes) -> Rules:
  """The heads, of which their file has each layer's, at times by two names.

  Without refinement all are the same. Of two stages the last is the tokens',
  and of its classes only the first is asked.
  """
  paths = [f"params/class_head{i}/kernel" for i in range(1, 100)]
  number = sum(path in shapes for path in paths)
  if not number:
    return [
      *dense(r"class_embed\.0", "class_head"),
      *dense(r"bbox_embed\.0\.layers\.(\d)", "box_head/dense{1+1}"),
      *unused(r"(?:class|bbox)_embed\..*"),
    ]
  rules = []
  classes, boxes = (_HEADS.format(x) for x in ("class", "bbox"))
  if "params/token_class_head/kernel" in shapes:
    token = dense(rf"{classes}\.{number}", "token_class_head")
    rules += [dataclasses.replace(rule, rows=1) for rule in token]
    name = rf"{boxes}\.{number}\.layers\.(\d)"
    rules += dense(name, "token_box_head/dense{1+1}")
  return [dataclasses.replace(x, again=True) for x in rules] + layers_heads()


def layers_heads() -> list[Rule]:
  """Heads of each decoder layer, which a file may have by two names."""
  classes, boxes = (_HEADS.format(x) for x in ("class", "bbox"))
  rules = [
    *dense(rf"{classes}\.(\d+)", "class_head{1+1}"),
    *dense(rf"{boxes}\.(\d+)\.layers\.(\d)", "box_head{1+1}/dense{2+1}"),
  ]
  return [dataclasses.replace(rule, again=True) for rule in rules]


def from_config(config: Mapping[str, Any]) -> Published | None:
  """Returns the net of a config.json whose model_type is "deformable_detr".

  Raises:
    UserError: for settings that the net here does not have.
  """
  if config.get("model_type") != "deformable_detr":
    return None
  expect(
    config,
    activation_function="relu",
    position_embedding_type="sine",
    encoder_layerdrop=0.0,
    dilation=False,
  )
  queries = config.get("num_queries", 300)
  two_stage = config.get("two_stage", False)
  if two_stage:
    queries = config.get("two_stage_num_proposals", 300)
  levels, more = _levels(config.get("num_feature_levels", 4))
  model = functools.partial(
    on_backbone,
    DeformableDetr,
    num_classes=num_classes(config),
    backbone=functools.partial(
      backbone_of_config(config), num_classes=0, frozen_norm=True
    ),
    levels=levels,
    more=more,
    num_queries=queries,
    features=config.get("d_model", 256),
    heads=same(config, "attention_heads", 8),
    hidden=same(config, "ffn_dim", 1024),
    points=same(config, "n_points", 4),
    dropout=config.get("dropout", 0.1),
    attention_dropout=config.get("attention_dropout", 0.0),
    encoder_layers=config.get("encoder_layers", 6),
    decoder_layers=config.get("decoder_layers", 6),
    refine=config.get("with_box_refine", False),
    two_stage=two_stage,
  )
  return published(model, "huggingface", class_names(config))


def _levels(number: int) -> tuple[tuple[str, ...], int]:
  """Returns the backbone's levels, and how many follow them."""
  if number == 1:
    return _LEVELS[-1:], 0
  if number < len(_LEVELS):
    raise UserError(
      f"config.json: num_feature_levels is {number}; expected 1, or "
      f"{len(_LEVELS)} or more."
    )
  return _LEVELS, number - len(_LEVELS)


LAYOUTS = {"huggingface": huggingface}
PUBLISHED: dict[str, Published] = {}  # a folder's config.json says what it is
