"""RetinaNet: anchors of nine shapes at each place of a pyramid.

Lin et al., 2017, https://arxiv.org/abs/1708.02002; in torchvision's form.
"""

import functools
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.models.backbones.backbone import Backbone
from vision_jax.models.detection.dense_head import (
  Tower,
  class_conv,
  head_conv,
  rows,
  sides_of,
)
from vision_jax.models.detection.fcos import BACKBONES
from vision_jax.models.detection.fpn import FPN, check_levels
from vision_jax.ops.anchors import anchors, cell
from vision_jax.ops.box_coders import Offsets
from vision_jax.ops.shapes import check_shape


class RetinaNet(nn.Module):
  """A pyramid, and two towers without norm that all of its levels share.

  Paths backbone, fpn, class_tower, box_tower, class_head, box_head.

  Attributes:
    num_classes: k.
    backbone: net that gives the image's feature maps.
    levels: its maps that the pyramid is made of, finest first.
    more: levels beyond those, each half as large.
    features: channels of the pyramid and the towers.
    convs: of each tower.
    size: side of the first level's smallest anchors, in pixels; there are two
      larger ones in each octave, in whole pixels.
    ratios: height by width of the anchors.
    dtype: type to compute in; the heads' results are float32.
  """

  num_classes: int
  backbone: Backbone
  levels: Sequence[str] = ("c3", "c4", "c5")
  more: int = 2
  features: int = 256
  convs: int = 4
  size: int = 32
  ratios: Sequence[float] = (0.5, 1.0, 2.0)
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
    """Maps images x (b, h, w, c) to what each anchor of each level finds.

    Args:
      x: images.
      train: whether BatchNorm uses the batch.
      mask: (b,), which examples count in BatchNorm.
      image_mask: not asked: what is padding is zeros, and finds nothing.

    Returns:
      Of each level, finest first, with l = h w a anchors: `logits` (b, l, k),
      `offsets` (b, l, 4) as `Offsets` has them, `boxes` (b, l, 4) xyxy in
      pixels of x, and `anchors` (l, 4).
    """
    del image_mask
    check_shape("image", x, "b h w c")
    check_levels(self.backbone, self.levels)
    maps = self.backbone(x, train=train, mask=mask, features=True)
    sizes = {"features": self.features, "dtype": self.dtype}
    maps = FPN(self.levels, more=self.more, name="fpn", **sizes)(maps)
    tower = functools.partial(Tower, self.convs, groups=0, **sizes)
    class_tower, box_tower = tower(name="class_tower"), tower(name="box_tower")
    cells = [self._cell(i) for i in range(len(maps))]
    class_head = class_conv(self.num_classes * len(cells[0]))
    box_head = head_conv(4 * len(cells[0]), name="box_head")
    out = {"logits": [], "offsets": [], "boxes": []}
    around = map(
      functools.partial(anchors, x.shape[1:3]), sides_of(maps), cells
    )
    places = tuple(map(jnp.asarray, around))
    for y, boxes in zip(maps, places, strict=True):
      logits = class_head(class_tower(y))
      out["logits"].append(rows(logits, self.num_classes))
      out["offsets"].append(rows(box_head(box_tower(y)), 4))
      out["boxes"].append(Offsets().decode(out["offsets"][-1], boxes))
    return {name: tuple(x) for name, x in out.items()} | {"anchors": places}

  def _cell(self, level: int):
    """The anchors of a level's place, (a, 4)."""
    side = self.size * 2**level
    return cell([int(side * 2 ** (i / 3)) for i in range(3)], self.ratios)


def variant(
  name: str,
  num_classes: int,
  *,
  frozen_norm: bool = True,
  remat: str = "none",
  dtype: DTypeLike = jnp.float32,
  **options: Any,
) -> RetinaNet:
  """Returns it on "R50", torchvision's retinanet_resnet50_fpn, or "tiny".

  With 91 classes R50 has 34,014,999 parameters besides the 53,120 of its
  frozen norms; COCO AP 36.4.

  Differs from torchvision: with its weights for COCO, frozen norms there add
  nothing to the variance, here 1e-5.

  Args:
    name: the backbone, "tiny" for tests.
    num_classes: k; the published weights for COCO have 91.
    frozen_norm: whether BatchNorm keeps the pretrained moments.
    remat: what is computed anew of the backbone's blocks.
    dtype: type to compute in.
    **options: other fields of `RetinaNet`.
  """
  if name not in BACKBONES:
    raise UserError(
      f"RetinaNet: got the variant {name!r}; expected one of "
      f"{sorted(BACKBONES)}."
    )
  body = BACKBONES[name](
    num_classes=0, frozen_norm=frozen_norm, remat=remat, dtype=dtype
  )
  return RetinaNet(num_classes, body, dtype=dtype, **options)
