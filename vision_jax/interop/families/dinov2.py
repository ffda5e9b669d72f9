"""DINOv2's nets (Oquab et al., 2024), without and with registers."""

import dataclasses
import functools
from collections.abc import Iterator, Mapping
from typing import Any

from vision_jax.data.transforms.preprocess import Preprocess
from vision_jax.interop.config_json import class_names, num_classes
from vision_jax.interop.families import vit
from vision_jax.interop.published import Published
from vision_jax.models.backbones.vit import ViT, dinov2

CROP = Preprocess((224, 224), 256, "bicubic")


def from_config(config: Mapping[str, Any]) -> Published | None:
  """Returns the net of a config.json of DINOv2, with registers or without.

  A classifier is of the class token and the patches' mean.
  """
  kind = config.get("model_type")
  if kind not in ("dinov2", "dinov2_with_registers"):
    return None
  (name,) = config.get("architectures") or ("Dinov2Model",)
  classifies = name.endswith("ForImageClassification")
  registers = kind != "dinov2"
  fields = vit.fields_of_config(config, epsilon=1e-6)
  fields |= {
    "mlp_ratio": config.get("mlp_ratio", 4),
    "layer_scale": config.get("layerscale_value") or 1.0,
    "registers": registers * config.get("num_register_tokens", 4),
    "interpolation": "cubic" if registers else "cubic_aliased",
    "num_classes": num_classes(config) if classifies else 0,
    "head": "cls_gap" if classifies else "cls",
  }
  if config.get("use_swiglu_ffn"):
    fields["mlp"] = "swiglu"
  return Published(
    functools.partial(ViT, **fields),
    "huggingface",
    dataclasses.replace(CROP, middle="floored"),
    **({"class_names": class_names(config)} if classifies else vit.FEATURES),
  )


def _published() -> Iterator[tuple[str, Published]]:
  sizes = {"small": "S", "base": "B", "large": "L", "giant": "g"}
  whole = Preprocess((518, 518), 518, "bicubic")
  for size, short in sizes.items():
    for number in (0, 4):
      fields, reg = dinov2(short, number), f"_reg{number}" * bool(number)
      yield (
        f"facebook:dinov2_vit{short.lower()}14{reg and '_reg'}",
        Published(
          functools.partial(ViT, **fields),
          *("timm", CROP),
          **vit.FEATURES,
          differs=""
          if number
          else "positions are interpolated without an offset of 0.1 patches, "
          "as Hugging Face does",
        ),
      )
      # Its class token has the sum of token and position.
      fields |= {"class_position": not number, "interpolation": "cubic"}
      yield (
        f"timm:vit_{size}_patch14{reg}_dinov2",
        Published(
          functools.partial(ViT, **fields), "timm", whole, **vit.FEATURES
        ),
      )


LAYOUTS = {"timm": vit.timm, "huggingface": vit.huggingface}
PUBLISHED = dict(_published())
