"""YOLOX: each place of a pyramid finds a box, and says whether there is one.

Ge et al., 2021, https://arxiv.org/abs/2107.08430.
"""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.models.backbones.backbone import Backbone
from vision_jax.models.backbones.csp_darknet import CSPDarknet, layers
from vision_jax.models.detection.dense_head import (
  class_conv,
  head_conv,
  rows,
  sides_of,
)
from vision_jax.models.detection.fpn import check_levels
from vision_jax.models.detection.pafpn import PAFPN
from vision_jax.ops.anchors import cells
from vision_jax.ops.box_coders import Offsets
from vision_jax.ops.shapes import check_shape

_CODER = Offsets(most=1000.0)
_HALF = np.float32([0.5, 0.5, 0, 0])  # codes are from a cell's first corner


class Head(nn.Module):
  """The decoupled head of one level: classes, and boxes with objectness.

  Paths stem, class_conv1, class_conv2, class_head, box_conv1, box_conv2,
  box_head, objectness_head.

  Attributes:
    num_classes: k.
    features: channels of all but the last convolutions.
    depthwise: whether convolutions of 3x3 are depthwise ones and 1x1.
    dtype: type to compute in; the results are float32.
  """

  num_classes: int
  features: int
  depthwise: bool
  dtype: DTypeLike

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool, mask: Array | None
  ) -> tuple[Array, Array, Array]:
    """Maps x (b, h, w, c) to logits, codes (b, h w, 4), objectness (b, h w)."""
    conv, wide = layers(
      train=train, mask=mask, depthwise=self.depthwise, dtype=self.dtype
    )
    x = y = conv(self.features, 1, name="stem")(x)
    for i in (1, 2):
      x = wide(self.features, name=f"class_conv{i}")(x)
      y = wide(self.features, name=f"box_conv{i}")(y)
    logits = class_conv(self.num_classes, 1)(x)
    code = head_conv(4, 1, name="box_head")(y)
    objectness = class_conv(1, 1, name="objectness_head")(y)
    return (
      rows(logits, self.num_classes),
      rows(code, 4),
      rows(objectness, 1)[..., 0],
    )


class YOLOX(nn.Module):
  """A pyramid that goes down and up, and a decoupled head for each level.

  Paths backbone, pafpn, head_c3, head_c4, head_c5.

  Attributes:
    num_classes: k.
    backbone: net that gives the image's feature maps.
    levels: its maps that the pyramid is made of, finest first.
    features: channels of the heads.
    blocks: of each of the pyramid's layers.
    depthwise: whether convolutions of 3x3 are depthwise ones and 1x1.
    remat: what the pyramid computes again in the backward pass.
    dtype: type to compute in; the heads' results are float32.
  """

  num_classes: int
  backbone: Backbone
  levels: Sequence[str] = ("c3", "c4", "c5")
  features: int = 128
  blocks: int = 1
  depthwise: bool = False
  remat: str = "none"
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
      `boxes` (b, l, 4) xyxy in pixels of x, `objectness` (b, l) logits of there
      being a box at all, and `anchors` (l, 4), the cells that places stand for.
    """
    del image_mask
    check_shape("image", x, "b h w c")
    check_levels(self.backbone, self.levels)
    maps = self.backbone(x, train=train, mask=mask, features=True)
    shared = {"depthwise": self.depthwise, "dtype": self.dtype}
    sizes = {"remat": self.remat, "name": "pafpn", **shared}
    neck = PAFPN(self.levels, self.blocks, **sizes)
    maps = neck(maps, train=train, mask=mask)
    out = {"logits": [], "boxes": [], "objectness": [], "anchors": []}
    for level, y, side in zip(self.levels, maps, sides_of(maps), strict=True):
      sizes = {"name": f"head_{level}", **shared}
      head = Head(self.num_classes, self.features, **sizes)
      logits, code, objectness = head(y, train=train, mask=mask)
      around = jnp.asarray(cells(side, self.backbone.strides[level]))
      out["logits"].append(logits)
      out["boxes"].append(_CODER.decode(code - _HALF, around))
      out["objectness"].append(objectness)
      out["anchors"].append(around)
    return {name: tuple(x) for name, x in out.items()}


# Of the stem, blocks of a stage, and whether convolutions are depthwise.
SIZES = {
  "nano": (16, 1, True),
  "tiny": (24, 1, False),
  "s": (32, 1, False),
  "m": (48, 2, False),
  "l": (64, 3, False),
  "x": (80, 4, False),
  "test": (4, 1, False),
}


def variant(
  name: str,
  num_classes: int,
  *,
  remat: str = "none",
  dtype: DTypeLike = jnp.float32,
  **options: Any,
) -> YOLOX:
  """Returns YOLOX-nano, -tiny, -s, -m, -l or -x, or "test" for tests.

  With 80 classes they have, in millions of parameters, 0.91, 5.06, 8.97, 25.3,
  54.2 and 99.1; COCO AP 25.8, 32.8, 40.5, 46.9, 49.7 and 51.1.

  Args:
    name: the size.
    num_classes: k; the published weights for COCO have 80.
    remat: what the backbone and the pyramid compute anew.
    dtype: type to compute in.
    **options: other fields of `YOLOX`.
  """
  if name not in SIZES:
    raise UserError(
      f"YOLOX: got the variant {name!r}; expected one of {sorted(SIZES)}."
    )
  width, blocks, depthwise = SIZES[name]
  shared = {"depthwise": depthwise, "remat": remat, "dtype": dtype}
  stages = (blocks, 3 * blocks, 3 * blocks, blocks)
  body = CSPDarknet(width, stages, **shared)
  fields = {"features": 4 * width, "blocks": blocks, **shared}
  return YOLOX(num_classes, body, **(fields | options))
