"""CLIP and SigLIP: both towers, of Hugging Face and of OpenAI."""

import functools
from collections.abc import Mapping
from typing import Any

from vision_jax.data.transforms.preprocess import Preprocess
from vision_jax.interop.config_json import expect
from vision_jax.interop.families import vit
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
  unused,
)
from vision_jax.models.backbones.vit import ViT
from vision_jax.models.text.image_text import ImageText, clip
from vision_jax.models.text.tower import TextTower

WORDS = {"task": "zero_shot", "config": "configs/classification/zero_shot.py"}
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


def huggingface(shapes: Shapes) -> Rules:
  """Hugging Face's names of CLIP and of SigLIP."""
  del shapes
  image, text = r"vision_model\.", r"text_model\."
  return [
    *leaf(rf"{image}embeddings\.class_embedding", "image/cls"),
    *conv(rf"{image}embeddings\.patch_embedding", "image/embedding"),
    *leaf(rf"{image}embeddings\.position_embedding\.weight", "image/positions"),
    *norm(rf"{image}pre_layrnorm", "image/pre_norm"),  # as it is spelled
    *_blocks(image, "image"),
    *norm(rf"{image}post_layernorm", "image/norm"),
    *leaf(rf"{image}head\.probe", "image/map/probe"),
    *in_proj(rf"{image}head\.attention", "image/map/attention"),
    *norm(rf"{image}head\.layernorm", "image/map/norm"),
    *dense(rf"{image}head\.mlp\.fc(\d)", "image/map/mlp/dense{1}"),
    *leaf(rf"{text}embeddings\.token_embedding\.weight", "text/tokens"),
    *leaf(rf"{text}embeddings\.position_embedding\.weight", "text/positions"),
    *_blocks(text, "text"),
    *norm(rf"{text}final_layer_norm", "text/norm"),
    *dense("visual_projection", "image_projection"),
    *dense(rf"text_projection|{text}head", "text_projection"),
    *leaf("(logit_scale|logit_bias)", "{1}"),
    *unused(r".*\.embeddings\.position_ids"),
  ]


def _blocks(theirs: str, ours: str) -> Rules:
  layer, block = rf"{theirs}encoder\.layers\.(\d+)", f"{ours}/block{{1}}"
  rules = dense(rf"{layer}\.self_attn\.out_proj", f"{block}/attention/out")
  for part in PARTS:
    name = rf"{layer}\.self_attn\.{part[0]}_proj"
    rules += dense(name, f"{block}/attention/{part}")
  return [
    *rules,
    *norm(rf"{layer}\.layer_norm(\d)", f"{block}/norm{{2}}"),
    *dense(rf"{layer}\.mlp\.fc(\d)", f"{block}/mlp/dense{{2}}"),
  ]


def openai(shapes: Shapes) -> Rules:
  """OpenAI's names, which open_clip has too."""
  del shapes
  return [
    *leaf(r"visual\.class_embedding", "image/cls"),
    *leaf(r"visual\.positional_embedding", "image/positions"),
    *conv(r"visual\.conv1", "image/embedding"),
    *norm(r"visual\.ln_pre", "image/pre_norm"),
    *_resblocks(r"visual\.", "image"),
    *norm(r"visual\.ln_post", "image/norm"),
    *leaf(r"visual\.proj", "image_projection/kernel"),
    *leaf(r"token_embedding\.weight", "text/tokens"),
    *leaf("positional_embedding", "text/positions"),
    *_resblocks("", "text"),
    *norm("ln_final", "text/norm"),
    *leaf("text_projection", "text_projection/kernel"),
    *leaf("logit_scale", "logit_scale"),
    *unused("input_resolution|context_length|vocab_size|attn_mask"),
  ]


def _resblocks(theirs: str, ours: str) -> Rules:
  layer, block = rf"{theirs}transformer\.resblocks\.(\d+)", f"{ours}/block{{1}}"
  return [
    *in_proj(rf"{layer}\.attn", f"{block}/attention"),
    *norm(rf"{layer}\.ln_(\d)", f"{block}/norm{{2}}"),
    *dense(rf"{layer}\.mlp\.c_fc", f"{block}/mlp/dense1"),
    *dense(rf"{layer}\.mlp\.c_proj", f"{block}/mlp/dense2"),
  ]


def from_config(config: Mapping[str, Any]) -> Published | None:
  """Returns the net of a config.json whose model_type is "clip" or "siglip".

  Raises:
    UserError: for settings that the net here does not have.
  """
  kind = config.get("model_type")
  if kind not in ("clip", "siglip"):
    return None
  image, text = (
    {**(config.get(name) or {}), **(config.get(f"{name}_dict") or {})}
    for name in ("vision_config", "text_config")
  )
  side = vit.side_of_config(image)
  if kind == "siglip":
    return Published(
      functools.partial(_siglip, image, text),
      "huggingface",
      Preprocess(side, 0, "bicubic", **vit.HALF),
      **WORDS,
    )
  size = config.get("projection_dim", 512)
  return Published(
    functools.partial(_clip, image, text, size),
    "huggingface",
    _crop(side, middle="floored"),
    **WORDS,
  )


def _crop(side: tuple[int, int], **more: str) -> Preprocess:
  return Preprocess(side, min(side), "bicubic", MEAN, STD, **more)


def _clip(
  image: Mapping[str, Any], text: Mapping[str, Any], size: int, **fields: Any
) -> ImageText:
  image = {"patch_size": 32, **image}
  kind = _kind(fields)
  tower = vit.fields_of_config(image, epsilon=1e-5, act="quick_gelu") | {
    "num_classes": 0,
    "embedding_bias": False,
    "pre_norm": True,
  }
  end = text.get("eos_token_id", 49_407)
  texts = _text(
    {"hidden_size": 512, "num_attention_heads": 8, **text},
    *(77, 49_408, "quick_gelu", 1e-5),
    end=None if end == 2 else end,  # which is not where texts end
  )
  return ImageText(
    ViT(**tower, **kind),
    TextTower(**texts, **kind),
    **{"embedding": size, **fields},
  )


def _siglip(
  image: Mapping[str, Any], text: Mapping[str, Any], **fields: Any
) -> ImageText:
  expect(image, vision_use_head=True)
  kind, act = _kind(fields), "gelu_pytorch_tanh"
  tower = vit.fields_of_config(image, epsilon=1e-6, act=act) | {
    "num_classes": 0,
    "head": "map",
  }
  texts = _text(text, 64, 32_000, act, 1e-6, causal=False, pooled="last")
  size = text.get("projection_size") or texts["features"]
  return ImageText(
    ViT(**tower, **kind),
    TextTower(**texts, **kind),
    **{"embedding": size, "sigmoid": True, **fields},
  )


def _kind(fields: dict[str, Any]) -> dict[str, Any]:
  """Takes out what is the towers', not the whole net's."""
  return {"dtype": fields.pop("dtype")} if "dtype" in fields else {}


def _text(
  config: Mapping[str, Any],
  length: int,
  vocabulary: int,
  act: str,
  epsilon: float,
  **fields: Any,
) -> dict[str, Any]:
  """Returns the fields of a text tower, by its part of a config.json."""
  shared = vit.fields_of_config(config, epsilon=epsilon, act=act)
  names = ("features", "depth", "heads", "mlp_ratio", "mlp", "epsilon")
  return {
    **{name: shared[name] for name in names},
    "length": config.get("max_position_embeddings", length),
    "vocabulary": config.get("vocab_size", vocabulary),
    **fields,
  }


LAYOUTS = {"huggingface": huggingface, "openai": openai}
PUBLISHED = {
  f"openai:ViT-{size}{'@336px' * (side == 336)}": Published(
    functools.partial(clip, size, side),
    "openai",
    _crop((side, side)),
    **WORDS,
  )
  for size, side in (("B/32", 224), ("B/16", 224), ("L/14", 224), ("L/14", 336))
}
