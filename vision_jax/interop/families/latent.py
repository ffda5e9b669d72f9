"""Latent diffusion's autoencoders: diffusers' AutoencoderKL and VQModel."""

import functools
from collections.abc import Mapping
from typing import Any

from vision_jax.data.transforms.preprocess import Preprocess
from vision_jax.errors import UserError
from vision_jax.interop.config_json import expect
from vision_jax.interop.families import ddpm
from vision_jax.interop.published import Published
from vision_jax.interop.rules import Rules, Shapes, conv, leaf, within
from vision_jax.models.generation.latent_autoencoders import (
  AutoencoderKL,
  VQModel,
)

_OURS = {  # settings of diffusers that our nets have built in
  "act_fn": "silu",
  "latents_mean": None,
  "latents_std": None,
  "lookup_from_codebook": False,
  "norm_type": "group",
}
_DEFAULTS = {  # what a config that leaves a setting out means by it
  "block_out_channels": (64,),
  "in_channels": 3,
  "layers_per_block": 1,
  "mid_block_add_attention": True,
  "norm_num_groups": 32,
  "num_vq_embeddings": 256,
  "out_channels": 3,
  "sample_size": 32,
  "use_post_quant_conv": True,
  "use_quant_conv": True,
  "vq_embed_dim": None,
}
CONFIG = "configs/generation/imported_autoencoder.py"


def diffusers(shapes: Shapes) -> Rules:
  """diffusers' names of both nets."""
  ups = {x.split("/")[2].split("_")[0] for x in shapes if "/decoder/up" in x}
  parts = ddpm.stages(len(ups))
  first = "projection" if "params/projection/kernel" in shapes else "moments"
  return [
    *within("encoder", "encoder", parts),
    *conv("quant_conv", first),
    *leaf(r"quantize\.embedding\.weight", "codebook/vectors"),
    *conv("post_quant_conv", "mixing"),
    *within("decoder", "decoder", parts),
  ]


def from_config(config: Mapping[str, Any]) -> Published | None:
  """Returns the net of a config.json of "AutoencoderKL" or "VQModel".

  Raises:
    UserError: for settings that the nets here do not have.
  """
  kind = config.get("_class_name")
  if kind not in ("AutoencoderKL", "VQModel"):
    return None
  own = {"latent_channels": 4 if kind == "AutoencoderKL" else 3}
  config = {**_DEFAULTS, **own, **config}
  expect(config, **_OURS, out_channels=config["in_channels"])
  _check_blocks(config)
  fields = {
    "channels": config["in_channels"],
    "widths": tuple(config["block_out_channels"]),
    "blocks": config["layers_per_block"],
    "groups": config["norm_num_groups"],
    "attention": config["mid_block_add_attention"],
  }
  more = _normal(config) if kind == "AutoencoderKL" else _quantised(config)
  net = AutoencoderKL if kind == "AutoencoderKL" else VQModel
  size, channels = config["sample_size"], config["in_channels"]
  size = (size, size) if isinstance(size, int) else tuple(size)
  half = (0.5,) * channels
  return Published(
    functools.partial(net, **fields, **more),
    "diffusers",
    Preprocess(size, 0, mean=half, std=half),
    task="autoencoding",
    config=CONFIG,
  )


def _normal(config: Mapping[str, Any]) -> dict[str, Any]:
  mixed = config["use_quant_conv"]
  expect(config, use_post_quant_conv=mixed)
  return {"features": config["latent_channels"], "mixed": mixed}


def _quantised(config: Mapping[str, Any]) -> dict[str, Any]:
  latent = config["latent_channels"]
  return {
    "latent_channels": latent,
    "features": config["vq_embed_dim"] or latent,
    "size": config["num_vq_embeddings"],
  }


def _check_blocks(config: Mapping[str, Any]) -> None:
  """Refuses blocks of other kinds, such as with attention."""
  number = len(config["block_out_channels"])
  for way, kind in (("down", "DownEncoder"), ("up", "UpDecoder")):
    name, plain = f"{way}_block_types", f"{kind}Block2D"
    got = tuple(config.get(name, (plain,)))
    if got != (plain,) * number:
      raise UserError(
        f"config.json: {name} is {list(got)}; expected {number} times {plain}."
      )


_SD = {"widths": (128, 256, 512, 512), "features": 4}
_HALF = Preprocess((512, 512), 0, mean=(0.5,) * 3, std=(0.5,) * 3)
LAYOUTS = {"diffusers": diffusers}
PUBLISHED = {
  "diffusers:stabilityai/sd-vae-ft-mse": Published(
    functools.partial(AutoencoderKL, **_SD),
    "diffusers",
    _HALF,
    task="autoencoding",
    config=CONFIG,
  ),
}
