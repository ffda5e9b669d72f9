"""RT-DETR: Hugging Face's names and weights."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

from vision_jax.data.transforms.preprocess import Preprocess
from vision_jax.interop.config_json import class_names, expect, num_classes
from vision_jax.interop.families import resnet
from vision_jax.interop.families.deformable_detr import (
  around,
  decoder_layers,
  layers_heads,
)
from vision_jax.interop.families.detr import on_backbone, same, separate
from vision_jax.interop.published import Published
from vision_jax.interop.rules import (
  Rules,
  Shapes,
  conv_norm,
  dense,
  leaf,
  norm,
  unused,
  within,
)
from vision_jax.models.detection.rt_detr import RTDetr

_LABELS = "label_contents"
_STAGES = ("stage2", "stage3", "stage4")


def huggingface(shapes: Shapes) -> Rules:
  """Hugging Face's names, before its version 5 and since."""
  attention = r"model\.encoder\.(?:aifi|encoder)\.0\.layers\.(\d+)"
  ours = "encoder/layer{1+1}"
  return [
    *within(r"model\.backbone\.model", "backbone", resnet.huggingface(shapes)),
    *_projection("encoder", "encoder/projection_c{1+3}"),
    *_projection("decoder", "projection_c{1+3}"),
    *separate(rf"{attention}\.self_attn", f"{ours}/self_attention"),
    *around(attention, ours, 2),
    *_pyramid(),
    *dense(r"model\.enc_output\.0", "token_dense"),
    *norm(r"model\.enc_output\.1", "token_norm"),
    *dense(r"model\.enc_score_head", "token_class_head"),
    *dense(r"model\.enc_bbox_head\.layers\.(\d)", "token_box_head/dense{1+1}"),
    *dense(
      r"model\.decoder\.query_pos_head\.layers\.(\d)",
      "position_head/dense{1+1}",
    ),
    *decoder_layers(r"model\.decoder\.layers\.(\d+)"),
    *layers_heads(),
    *_labels(shapes),
  ]


def _projection(name: str, ours: str) -> Rules:
  theirs = rf"model\.{name}_input_proj\.(\d)"
  return conv_norm(rf"{theirs}\.0", rf"{theirs}\.1", ours)


def _pyramid() -> Rules:
  """Down from the coarsest map, and up again from the finest."""
  rules = []
  for i, (down, up) in enumerate(((5, 3), (4, 4))):
    rules += _conv(rf"lateral_convs\.{i}", f"lateral_c{down}")
    rules += _joined(rf"fpn_blocks\.{i}", f"up_c{down - 1}")
    rules += _conv(rf"downsample_convs\.{i}", f"down_c{up}")
    rules += _joined(rf"pan_blocks\.{i}", f"out_c{up + 1}")
  return rules


def _joined(theirs: str, ours: str) -> Rules:
  block = rf"{theirs}\.bottlenecks\.(\d)\.conv(\d)"
  return [
    *_conv(rf"{theirs}\.conv(\d)", f"{ours}/conv{{1}}"),
    *_conv(block, f"{ours}/block{{1+1}}_conv{{2}}"),
  ]


def _conv(theirs: str, ours: str) -> Rules:
  theirs = rf"model\.encoder\.{theirs}"
  return conv_norm(
    rf"{theirs}\.conv", rf"{theirs}\.norm", f"encoder/pafpn/{ours}"
  )


def _labels(shapes: Shapes) -> Rules:
  """Contents of noised boxes, of which theirs have one more, for no object.

  Nets that are not trained with such boxes do not need them.
  """
  theirs = r"model\.denoising_class_embed\.weight"
  path = f"params/{_LABELS}"
  if path not in shapes:
    return unused(theirs)
  (rule,) = leaf(theirs, _LABELS)
  return [dataclasses.replace(rule, rows=shapes[path][0])]


def from_config(config: Mapping[str, Any]) -> Published | None:
  """Returns the net of a config.json whose model_type is "rt_detr".

  Raises:
    UserError: for settings that the net here does not have.
  """
  if config.get("model_type") != "rt_detr":
    return None
  expect(
    config,
    activation_function="silu",
    encoder_activation_function="gelu",
    decoder_activation_function="relu",
    positional_encoding_temperature=10_000,
    eval_size=None,
    normalize_before=False,
    encode_proj_layers=(2,),
    num_feature_levels=3,
    learn_initial_query=False,
    with_box_refine=True,
  )
  body = config.get("backbone_config") or {}
  body = {"model_type": "rt_detr_resnet", **body}
  expect(body, model_type="rt_detr_resnet", out_features=_STAGES)
  model = functools.partial(
    on_backbone,
    RTDetr,
    num_classes=num_classes(config),
    backbone=functools.partial(
      resnet.body_of_config(body),
      num_classes=0,
      frozen_norm=config.get("freeze_backbone_batch_norms", True),
    ),
    num_queries=config.get("num_queries", 300),
    features=config.get("d_model", 256),
    heads=same(config, "attention_heads", 8),
    hidden=config.get("decoder_ffn_dim", 1024),
    encoder_features=config.get("encoder_hidden_dim", 256),
    encoder_hidden=config.get("encoder_ffn_dim", 1024),
    expansion=config.get("hidden_expansion", 1.0),
    points=config.get("decoder_n_points", 4),
    dropout=config.get("dropout", 0.0),
    attention_dropout=config.get("attention_dropout", 0.0),
    encoder_layers=config.get("encoder_layers", 1),
    decoder_layers=config.get("decoder_layers", 6),
  )
  colours = {"mean": (0.0,) * 3, "std": (1.0,) * 3}
  return Published(
    model,
    "huggingface",
    Preprocess((640, 640), 0, **colours),
    task="detection",
    class_names=class_names(config),
    values={"letterbox": "false"},  # all images are squeezed into a square
  )


LAYOUTS = {"huggingface": huggingface}
PUBLISHED: dict[str, Published] = {}  # a folder's config.json says what it is
