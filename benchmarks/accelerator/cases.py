"""Which steps are timed, by name: configs, their values and forms."""

import dataclasses
from collections.abc import Mapping

_RESNET = "configs/classification/imagenet_resnet50.py"
_VIT = "configs/classification/imagenet_vit_s16.py"
_UNET = "configs/segmentation/camvid_unet.py"
_BF16 = {"dtype": "bfloat16"}


@dataclasses.dataclass(frozen=True)
class Case:
  """A config's whole step.

  Attributes:
    config: "PATH" or "PATH:VARIANT".
    overrides: values to change, as text.
    forms: forms of operations, where they are not the backend's default.
  """

  config: str
  overrides: Mapping[str, str] = dataclasses.field(default_factory=dict)
  forms: Mapping[str, str] = dataclasses.field(default_factory=dict)


# As XLA or the paper would write them, and as they were before.
_OLD = {"transposed": "dilated", "pool_blocks": "window"}

STEPS = {
  "resnet50_b256": Case(_RESNET, {"batch_size": "256"}),
  "vit_s16_b256": Case(_VIT, {"batch_size": "256"}),
  "vit_b16_b256": Case(_VIT, {"batch_size": "256", "model": "B/16"}),
  "cifar10_fast_b512": Case("configs/classification/cifar10_fast.py"),
  "unet_b8": Case(_UNET),
  "unet_b8_old_forms": Case(_UNET, forms=_OLD),
  "unet_b8_bf16": Case(_UNET, _BF16),
  "ddpm_b128": Case("configs/generation/cifar10_ddpm.py"),
  "ddpm_b128_bf16": Case("configs/generation/cifar10_ddpm.py", _BF16),
  "detr_r50_b8": Case(
    "configs/detection/coco_detr_r50.py", {"batch_size": "8", **_BF16}
  ),
  "resnet50_b512": Case(_RESNET, {"batch_size": "512"}),
  "vit_s16_b1024": Case(_VIT),
  "vit_s16_b1024_remat": Case(_VIT, {"remat": "blocks"}),
  "bccd_detr_b16": Case("configs/detection/bccd_detr.py"),
  "dcgan_b128": Case("configs/generation/cifar10_dcgan.py"),
}
# Short ones of the same kinds, which try the script out.
TINY = {
  "digits_gan": Case("configs/generation/digits_gan.py:tiny"),
  "unet_old_forms": Case(
    "configs/segmentation/digit_scenes_unet.py:tiny", forms=_OLD
  ),
}
# torch's name -> the step of ours that it is held against.
PEERS = {
  "torch_resnet50_b256": "resnet50_b256",
  "torch_vit_s16_b256": "vit_s16_b256",
  "torch_vit_b16_b256": "vit_b16_b256",
  "torch_ddpm_b128": "ddpm_b128_bf16",
  "torch_detr_r50_b8": "detr_r50_b8",
}
# (what may become a default, what it is held against).
COMPARED = (
  ("unet_b8", "unet_b8_old_forms"),
  ("unet_b8_bf16", "unet_b8"),
  ("ddpm_b128_bf16", "ddpm_b128"),
  ("vit_s16_b1024_remat", "vit_s16_b1024"),
)
TRACED = ("resnet50_b256", "vit_s16_b256", "detr_r50_b8")
CASES = STEPS | TINY
