"""Masked autoencoders' encoders (He et al., 2022), which see all patches."""

import functools
from collections.abc import Iterator, Mapping
from typing import Any

from vision_jax.data.transforms.preprocess import Preprocess
from vision_jax.interop.families import vit
from vision_jax.interop.published import Published
from vision_jax.models.backbones.vit import ViT


def from_config(config: Mapping[str, Any]) -> Published | None:
  """Returns the encoder of a config.json whose model_type is "vit_mae".

  Features are those of the class token; a decoder is left out.
  """
  if config.get("model_type") != "vit_mae":
    return None
  return Published(
    functools.partial(ViT, **vit.fields_of_config(config), num_classes=0),
    "huggingface",
    Preprocess(vit.side_of_config(config), 0),
    **vit.FEATURES,
    differs="no patch is masked, and there is no decoder",
  )


def _published() -> Iterator[tuple[str, Published]]:
  for size, patch in (("base", 16), ("large", 16), ("huge", 14)):
    net = vit.published(
      *(f"{vit.SIZES[size]}/{patch}", 224, "timm", vit.timm_crop(224)),
      num_classes=0,
      interpolation="cubic",
    )
    yield f"timm:vit_{size}_patch{patch}_224.mae", net
    yield f"facebook:mae_pretrain_vit_{size}", net


LAYOUTS = {"timm": vit.timm, "huggingface": vit.huggingface}
PUBLISHED = dict(_published())
