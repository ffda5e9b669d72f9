"""FCOS: each place of a pyramid finds a box around itself, without anchors.

Tian et al., 2019 and 2020, https://arxiv.org/abs/1904.01355 and
https://arxiv.org/abs/2006.09214; in torchvision's form.
"""

import functools
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.models.backbones import resnet
from vision_jax.models.backbones.backbone import Backbone
from vision_jax.models.detection.dense_head import (
  Tower,
  class_conv,
  head_conv,
  rows,
  sides_of,
)
from vision_jax.models.detection.fpn import FPN, check_levels
from vision_jax.ops.anchors import anchors
from vision_jax.ops.box_coders import Distances
from vision_jax.ops.shapes import check_shape


class FCOS(nn.Module):
  """A pyramid, and two towers that all of its levels share.

  Paths backbone, fpn, class_tower, box_tower, class_head, box_head,
  centre_head. As torchvision has it, and differing from the first paper:
  centreness is beside the boxes, distances are rectified and in strides, and
  levels have no scale of their own.

  Attributes:
    num_classes: k.
    backbone: net that gives the image's feature maps.
    levels: its maps that the pyramid is made of, finest first.
    more: levels beyond those, each half as large.
    features: channels of the pyramid and the towers.
    convs: of each tower.
    groups: of their normalization.
    dtype: type to compute in; the heads' results are float32.
  """

  num_classes: int
  backbone: Backbone
  levels: Sequence[str] = ("c3", "c4", "c5")
  more: int = 2
  features: int = 256
  convs: int = 4
  groups: int = 32
  dtype: DTypeLike = jnp.float32
  background = False  # each class is a sigmoid of its own

  @nn.compact
  def __call__(
    self,
    x: Array,
    *,
    train: bool,
    mask: Array | None = None,
    image_mask: Array | None = None,
  ) -> dict[str, Any]:
    """Maps images x (b, h, w, c) to what each place of each level finds.

    Args:
      x: images.
      train: whether BatchNorm uses the batch.
      mask: (b,), which examples count in BatchNorm.
      image_mask: not asked: what is padding is zeros, and finds nothing.

    Returns:
      Of each level, finest first, with l = h w places: `logits` (b, l, k),
      `boxes` (b, l, 4) xyxy in pixels of x, `centre` (b, l) logits of how near
      a place is to its box's centre, and `anchors` (l, 4), squares of a stride
      around the places.
    """
    del image_mask
    check_shape("image", x, "b h w c")
    check_levels(self.backbone, self.levels)
    maps = self.backbone(x, train=train, mask=mask, features=True)
    sizes = {"features": self.features, "dtype": self.dtype}
    maps = FPN(self.levels, more=self.more, name="fpn", **sizes)(maps)
    tower = functools.partial(Tower, self.convs, groups=self.groups, **sizes)
    class_tower, box_tower = tower(name="class_tower"), tower(name="box_tower")
    class_head = class_conv(self.num_classes)
    box_head, centre_head = (
      head_conv(n, name=name) for n, name in ((4, "box_head"), (1, _CENTRE))
    )
    out = {"logits": [], "boxes": [], "centre": []}
    places = self._anchors(x.shape[1:3], sides_of(maps))
    for y, around in zip(maps, places, strict=True):
      logits, y = class_head(class_tower(y)), box_tower(y)
      out["logits"].append(rows(logits, self.num_classes))
      distances = jax.nn.relu(rows(box_head(y), 4))
      out["boxes"].append(Distances().decode(distances, around))
      out["centre"].append(rows(centre_head(y), 1)[..., 0])
    return {name: tuple(x) for name, x in out.items()} | {"anchors": places}

  def _anchors(self, image, sides) -> tuple[Array, ...]:
    """Squares as large as a level's stride is, where sides halve exactly."""
    first = self.backbone.strides[self.levels[0]]
    square = np.array([[-0.5, -0.5, 0.5, 0.5]], np.float32) * first
    squares = [square * 2**i for i in range(len(sides))]
    found = map(functools.partial(anchors, image), sides, squares)
    return tuple(map(jnp.asarray, found))


_CENTRE = "centre_head"
BACKBONES = {
  "R50": resnet.ResNet50,
  "tiny": functools.partial(resnet.ResNet18, stages=(1, 1, 1, 1), width=8),
}


def variant(
  name: str,
  num_classes: int,
  *,
  frozen_norm: bool = True,
  remat: str = "none",
  dtype: DTypeLike = jnp.float32,
  **options: Any,
) -> FCOS:
  """Returns FCOS on "R50", torchvision's fcos_resnet50_fpn, or "tiny".

  With 91 classes R50 has 32,269,600 parameters besides the 53,120 of its
  frozen norms; COCO AP 39.2.

  Args:
    name: the backbone, "tiny" for tests.
    num_classes: k; the published weights for COCO have 91.
    frozen_norm: whether BatchNorm keeps the pretrained moments.
    remat: what is computed anew of the backbone's blocks.
    dtype: type to compute in.
    **options: other fields of `FCOS`.
  """
  if name not in BACKBONES:
    raise UserError(
      f"FCOS: got the variant {name!r}; expected one of {sorted(BACKBONES)}."
    )
  body = BACKBONES[name](
    num_classes=0, frozen_norm=frozen_norm, remat=remat, dtype=dtype
  )
  return FCOS(num_classes, body, dtype=dtype, **options)
