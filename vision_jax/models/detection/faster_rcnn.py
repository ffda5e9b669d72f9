"""Faster R-CNN: proposes boxes, and looks at each again.

Ren et al., 2015, https://arxiv.org/abs/1506.01497, with a feature pyramid, Lin
et al., 2017, https://arxiv.org/abs/1612.03144; in torchvision's form.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.layers.dense import Dense
from vision_jax.models.backbones.backbone import Backbone
from vision_jax.models.detection.fcos import BACKBONES
from vision_jax.models.detection.fpn import FPN, check_levels
from vision_jax.models.detection.region_proposals import (
  RegionProposals,
  proposals,
)
from vision_jax.ops.boxes import canvas_scale
from vision_jax.ops.roi_align import CANONICAL, pyramid_align
from vision_jax.ops.shapes import check_shape

# torch's initial weights of a linear layer.
UNIFORM = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")


class Regions(Protocol):
  """Boxes of the images, `boxes` (b, s, 4) xyxy in pixels."""

  boxes: Array


class Proposed(NamedTuple):
  """The boxes that an image's anchors propose.

  Attributes:
    boxes: (b, p, 4) xyxy in pixels of the image.
    score: (b, p), best first; 0 where there is none.
  """

  boxes: Array
  score: Array


Outputs = dict[str, Any]
Choose = Callable[[Proposed], Regions]
Find = Callable[[Outputs], Regions]


class BoxHead(nn.Module):
  """Two layers on what is in a box: its class, and a better box for each.

  Paths fc1, fc2, class_head, box_head.

  Attributes:
    num_classes: k.
    hidden: features of both layers.
    dtype: type to compute in; the results are float32.
  """

  num_classes: int
  hidden: int = 1024
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> tuple[Array, Array]:
    """Maps x (b, s, 7, 7, d) to logits (b, s, k + 1), codes (b, s, k + 1, 4).

    The last class is the background.
    """
    x = x.reshape(*x.shape[:2], -1)
    for name in ("fc1", "fc2"):
      layer = Dense(
        self.hidden, dtype=self.dtype, kernel_init=UNIFORM, name=name
      )
      x = jax.nn.relu(layer(x))
    k = self.num_classes + 1
    last = lambda size, name: Dense(size, kernel_init=UNIFORM, name=name)(x)
    codes = last(4 * k, "box_head").reshape(*x.shape[:2], k, 4)
    return last(k, "class_head"), codes


class FasterRCNN(nn.Module):
  """A pyramid, what its anchors propose, and a head for the boxes proposed.

  Paths backbone, fpn, rpn, box_head. Shapes are static: so many boxes are
  proposed of each image, and what is not real does not count.

  Attributes:
    num_classes: k.
    backbone: net that gives the image's feature maps.
    levels: its maps that the pyramid is made of, finest first; what is proposed
      has another, half as large as the last.
    features: channels of the pyramid.
    hidden: features of the box head.
    size: side of the first level's anchors, in pixels.
    ratios: height by width of the anchors.
    candidates: the best anchors of a level, in training and otherwise.
    proposed: boxes that are left of them, p, in training and otherwise.
    overlap: IoU with a better one of its level above which one is dropped.
    canonical: side of a box, in pixels, that is looked at at stride 16.
    dtype: type to compute in; the heads' results are float32.
  """

  num_classes: int
  backbone: Backbone
  levels: Sequence[str] = ("c2", "c3", "c4", "c5")
  features: int = 256
  hidden: int = 1024
  size: int = 32
  ratios: Sequence[float] = (0.5, 1.0, 2.0)
  candidates: tuple[int, int] = (2000, 1000)
  proposed: tuple[int, int] = (2000, 1000)
  overlap: float = 0.7
  canonical: float = CANONICAL[0]
  dtype: DTypeLike = jnp.float32
  background = True  # the logits' last class

  def setup(self):
    sizes = {"features": self.features, "dtype": self.dtype}
    self.fpn = FPN(self.levels, **sizes)
    self.rpn = RegionProposals(size=self.size, ratios=self.ratios, **sizes)
    self.box_head = BoxHead(self.num_classes, self.hidden, self.dtype)

  def __call__(
    self,
    x: Array,
    *,
    train: bool,
    mask: Array | None = None,
    image_mask: Array | None = None,
    choose: Choose | None = None,
    find: Find | None = None,
  ) -> Outputs:
    """Maps images x (b, h, w, c) to what is found in the boxes looked at.

    Args:
      x: images.
      train: whether BatchNorm uses the batch, and `candidates` and `proposed`
        are those of training.
      mask: (b,), which examples count in BatchNorm.
      image_mask: (b, h, w), 0 for padding, where no box is.
      choose: boxes proposed -> boxes that are looked at, None looks at all.
      find: outputs so far -> boxes of objects, in which nets that are built on
        this one look for more; None looks in all that were looked at.

    Returns:
      Of each level what `RegionProposals` returns. Of what has been chosen,
      which is `regions`, `logits` (b, s, k + 1) with the background last, and
      `codes` (b, s, k + 1, 4), a box of each class as `Offsets((10, 5))` has
      it. And `found`, what `find` has found.
    """
    check_shape("image", x, "b h w c")
    check_levels(self.backbone, self.levels)
    given = {"image": x}
    if image_mask is not None:
      given["image_mask"] = image_mask
    maps = self.backbone(x, train=train, mask=mask, features=True)
    maps = self.fpn(maps)
    found = self.rpn([*maps, maps[-1][:, ::2, ::2]], x.shape[1:3])
    which = 0 if train else 1
    regions = Proposed(
      *proposals(
        found,
        canvas_scale(given),
        candidates=self.candidates[which],
        count=self.proposed[which],
        overlap=self.overlap,
      )
    )
    regions = regions if choose is None else choose(regions)
    logits, codes = self.box_head(self.align(maps, regions.boxes, 7))
    out = found | {"regions": regions, "logits": logits, "codes": codes}
    return self.look(maps, out, find)

  def look(
    self, maps: Sequence[Array], out: Outputs, find: Find | None
  ) -> Outputs:
    """Returns the outputs with what is found in objects' boxes.

    Args:
      maps: (b, h, w, d) of the pyramid.
      out: the outputs so far.
      find: see above.
    """
    del maps
    return out if find is None else out | {"found": find(out)}

  def align(self, maps: Sequence[Array], boxes: Array, cells: int) -> Array:
    """Returns what maps show in boxes (b, s, 4): (b, s, cells, cells, d)."""
    strides = [self.backbone.strides[level] for level in self.levels]
    size = (cells, cells)
    return pyramid_align(
      maps, strides, boxes, size=size, canonical=self.canonical
    )


def variant(
  name: str,
  num_classes: int,
  *,
  net: type[FasterRCNN] = FasterRCNN,
  frozen_norm: bool = True,
  remat: str = "none",
  dtype: DTypeLike = jnp.float32,
  **options: Any,
) -> FasterRCNN:
  """Returns it on "R50", torchvision's fasterrcnn_resnet50_fpn, or "tiny".

  With 90 classes and the background R50 has 41,755,286 parameters besides the
  53,120 of its frozen norms; COCO AP 37.0.

  Differs from torchvision: with its weights for COCO, frozen norms there add
  nothing to the variance, here 1e-5.

  Args:
    name: the backbone, "tiny" for tests.
    num_classes: k; the published weights for COCO have 90.
    net: the class, such as `MaskRCNN`.
    frozen_norm: whether BatchNorm keeps the pretrained moments.
    remat: what is computed anew of the backbone's blocks.
    dtype: type to compute in.
    **options: other fields of the net.
  """
  if name not in BACKBONES:
    raise UserError(
      f"{net.__name__}: got the variant {name!r}; expected one of "
      f"{sorted(BACKBONES)}."
    )
  body = BACKBONES[name](
    num_classes=0, frozen_norm=frozen_norm, remat=remat, dtype=dtype
  )
  return net(num_classes, body, dtype=dtype, **options)
