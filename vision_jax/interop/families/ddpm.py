"""The U-Net of DDPM: the names and weights of Hugging Face's diffusers."""

import functools
from collections.abc import Iterator, Mapping
from typing import Any

from vision_jax.data.transforms.preprocess import Preprocess
from vision_jax.errors import UserError
from vision_jax.interop.config_json import expect
from vision_jax.interop.published import Published
from vision_jax.interop.rules import Rules, Shapes, conv, dense, norm
from vision_jax.models.generation.ddpm_unet import DDPMUNet

HALF = (0.5, 0.5, 0.5)
# Names of attention's parts, before 2023 and since.
_ATTENTION = {
  "query": r"(?:query|to_q)",
  "key": r"(?:key|to_k)",
  "value": r"(?:value|to_v)",
  "out": r"(?:proj_attn|to_out\.0)",
}
_OURS = {  # settings of diffusers that our net has built in
  "act_fn": "silu",
  "add_attention": True,
  "attn_norm_num_groups": None,
  "center_input_sample": False,
  "class_embed_type": None,
  "downsample_padding": 0,
  "downsample_type": "conv",
  "flip_sin_to_cos": False,
  "freq_shift": 1,
  "in_channels": 3,
  "mid_block_scale_factor": 1,
  "norm_eps": 1e-6,
  "num_class_embeds": None,
  "out_channels": 3,
  "resnet_time_scale_shift": "default",
  "time_embedding_type": "positional",
  "upsample_type": "conv",
}
_DEFAULTS = {  # what a config that leaves a setting out means by it
  "attention_head_dim": 8,
  "downsample_padding": 1,
  "flip_sin_to_cos": True,
  "freq_shift": 0,
  "layers_per_block": 2,
  "norm_eps": 1e-5,
  "norm_num_groups": 32,
}


def diffusers(shapes: Shapes) -> Rules:
  """diffusers' names of `UNet2DModel`."""
  time = dense(r"time_embedding\.linear_(\d)", "time/dense{1}")
  return [*time, *stages(_levels(shapes))]


def stages(levels: int) -> Rules:
  """All but the time, of so many resolutions on the way up."""
  return [
    *conv("conv_in", "conv_in"),
    *_level(r"down_blocks\.(\d+)", "down{1+1}"),
    *conv(r"down_blocks\.(\d+)\.downsamplers\.0\.conv", "down{1+1}_halve"),
    *_ups(levels),
    *_level(r"(mid)_block", "middle"),
    *norm("conv_norm_out", "norm_out"),
    *conv("conv_out", "conv_out"),
  ]


def _levels(shapes: Shapes) -> int:
  """Returns the number of resolutions that our leaves are of."""
  return len({x.split("_")[0] for x in shapes if x.startswith("params/down")})


def _ups(levels: int) -> Iterator:
  """Of the way up: they count from the smallest image, we from the largest."""
  for i in range(levels):
    level, theirs = levels - i, rf"up_blocks\.({i})"
    yield from _level(theirs, f"up{level}")
    yield from conv(rf"{theirs}\.upsamplers\.0\.conv", f"up{level}_double")


def _level(theirs: str, ours: str) -> Rules:
  """Blocks and attentions of one resolution; `theirs` has one group."""
  block = rf"{theirs}\.resnets\.(\d+)"
  attention = rf"{theirs}\.attentions\.(\d+)"
  ours_block, ours_attention = (
    f"{ours}_block{{2+1}}",
    f"{ours}_attention{{2+1}}",
  )
  if ours == "middle":
    ours_attention = "middle_attention"  # the only one
  rules = [
    *norm(rf"{block}\.norm(\d)", f"{ours_block}/norm{{3}}"),
    *conv(rf"{block}\.conv(\d)", f"{ours_block}/conv{{3}}"),
    *dense(rf"{block}\.time_emb_proj", f"{ours_block}/time"),
    *conv(rf"{block}\.conv_shortcut", f"{ours_block}/shortcut"),
    *norm(rf"{attention}\.group_norm", f"{ours_attention}/norm"),
  ]
  for name, names in _ATTENTION.items():
    rules += dense(rf"{attention}\.{names}", f"{ours_attention}/{name}")
  return rules


def from_config(config: Mapping[str, Any]) -> Published | None:
  """Returns the net of a config.json whose _class_name is "UNet2DModel".

  Raises:
    UserError: for settings that the net here does not have.
  """
  if config.get("_class_name") != "UNet2DModel":
    return None
  config = {**_DEFAULTS, **config}
  expect(config, **_OURS)
  size = config["sample_size"]
  model = functools.partial(
    DDPMUNet,
    **_widths(config),
    blocks=config["layers_per_block"],
    attention=_attention(config),
    heads=_heads(config),
    groups=config["norm_num_groups"],
    dropout=config.get("dropout", 0.0),
  )
  return _published(model, size)


def _widths(config: Mapping[str, Any]) -> dict[str, Any]:
  width, *_ = channels = config["block_out_channels"]
  if any(c % width for c in channels):
    raise UserError(
      f"config.json: block_out_channels is {channels}; expected multiples of "
      "the first."
    )
  return {"width": width, "multipliers": tuple(c // width for c in channels)}


def _attention(config: Mapping[str, Any]) -> tuple[int, ...]:
  """Returns the sides of the images that have attention."""
  down, up = (
    [kind.startswith("Attn") for kind in config[f"{way}_block_types"]]
    for way in ("down", "up")
  )
  if down != up[::-1]:
    raise UserError(
      "config.json: up_block_types have attention elsewhere than "
      "down_block_types; expected it at the same resolutions."
    )
  size = config["sample_size"]
  return tuple(size >> i for i, attends in enumerate(down) if attends)


def _heads(config: Mapping[str, Any]) -> int:
  """Returns the number of attention's heads: one, where no width is given."""
  each = config["attention_head_dim"]
  widths = {
    width
    for width, kind in zip(
      config["block_out_channels"], config["down_block_types"], strict=True
    )
    if kind.startswith("Attn")
  } | {config["block_out_channels"][-1]}
  heads = {width // each for width in widths} if each else {1}
  if len(heads) > 1:
    raise UserError(
      f"config.json: attention_head_dim {each} gives {sorted(heads)} heads; "
      "expected the same number at each resolution."
    )
  return heads.pop()


def _published(model, size: int) -> Published:
  preprocess = Preprocess((size, size), 0, mean=HALF, std=HALF)
  return Published(
    model,
    "diffusers",
    preprocess,
    task="diffusion",
    config="configs/generation/cifar10_ddpm.py",
    values={"conditional": "false"},
  )


LAYOUTS = {"diffusers": diffusers}
# Published without dropout, which only training has; ours has the paper's.
PUBLISHED = {"diffusers:google/ddpm-cifar10-32": _published(DDPMUNet, 32)}
