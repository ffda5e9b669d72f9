"""DeiT (Touvron et al., 2021), with its distillation token, and DeiT III."""

import functools
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from vision_jax.data.transforms.preprocess import Preprocess
from vision_jax.interop.config_json import class_names, expect, num_classes
from vision_jax.interop.families import vit
from vision_jax.interop.published import Published
from vision_jax.models.backbones.vit import ViT


def from_config(config: Mapping[str, Any]) -> Published | None:
  """Returns the net of a config.json whose model_type is "deit".

  Raises:
    UserError: for a net with the distillation token, and one head alone.
  """
  if config.get("model_type") != "deit":
    return None
  features = config.get("architectures") == ["DeiTModel"]
  if not features:
    expect(config, architectures=("DeiTForImageClassificationWithTeacher",))
  side = vit.side_of_config(config)
  model = functools.partial(
    ViT,
    **vit.fields_of_config(config),
    num_classes=0 if features else num_classes(config),
    head="distilled",
  )
  return Published(
    model,
    "huggingface",
    Preprocess(side, max(256, *side), "bicubic", middle="squeezed"),
    **(vit.FEATURES if features else {"class_names": class_names(config)}),
  )


def _published() -> Iterator[tuple[str, Published]]:
  for size, side in itertools.product(("tiny", "small", "base"), (224, 384)):
    if side == 384 and size != "base":
      continue
    for name, head in (("", "cls"), ("_distilled", "distilled")):
      yield (
        f"timm:deit_{size}{name}_patch16_{side}",
        _net(size, side, head=head),
      )
  for size, side in itertools.product(("small", "base", "large"), (224, 384)):
    net = _net(size, side, class_position=False, layer_scale=1e-6)
    yield f"timm:deit3_{size}_patch16_{side}", net


def _net(size: str, side: int, **fields: Any) -> Published:
  return vit.published(
    *(f"{vit.SIZES[size]}/16", side, "timm", vit.timm_crop(side)),
    interpolation="cubic",
    **fields,
  )


LAYOUTS = {"timm": vit.timm, "huggingface": vit.huggingface}
PUBLISHED = dict(_published())
