"""Augmentations inside the compiled step: (batch, key) -> batch.

Each takes its draws from an example's `index` (`keys.py`), so that images do
not depend on shards or execution. `image` (b, h, w, c) is float32 in any range,
or uint8; what needs to know black and white takes `value_range`. Clips
(b, t, h, w, c) are images too: one draw for all frames of a clip.
"""

from vision_jax.ops.augment.affine import random_affine
from vision_jax.ops.augment.color import color_jitter, random_gray
from vision_jax.ops.augment.compose import sequence
from vision_jax.ops.augment.elastic import random_elastic
from vision_jax.ops.augment.erase import cutout, random_erasing
from vision_jax.ops.augment.geometry import (
  random_crop,
  random_crop_flip,
  random_flip,
)
from vision_jax.ops.augment.levels import normalized_range
from vision_jax.ops.augment.mix import cutmix, mixup, mixup_or_cutmix
from vision_jax.ops.augment.noise import random_noise
from vision_jax.ops.augment.randaugment import rand_augment
from vision_jax.ops.augment.turns import random_quarter_turn
from vision_jax.ops.augment.views import two_views

__all__ = [
  "color_jitter",
  "cutmix",
  "cutout",
  "mixup",
  "mixup_or_cutmix",
  "normalized_range",
  "rand_augment",
  "random_affine",
  "random_crop",
  "random_crop_flip",
  "random_elastic",
  "random_erasing",
  "random_flip",
  "random_gray",
  "random_noise",
  "random_quarter_turn",
  "sequence",
  "two_views",
]
