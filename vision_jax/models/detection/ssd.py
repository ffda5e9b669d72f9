"""SSD: default boxes of many sizes on ever coarser maps.

Liu et al., 2016, https://arxiv.org/abs/1512.02325; in torchvision's form.
"""

import functools
import math
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.conv import Conv, max_pool
from vision_jax.models.backbones.backbone import Backbone
from vision_jax.models.backbones.vgg import VGG16
from vision_jax.models.detection.dense_head import rows
from vision_jax.models.detection.fpn import check_levels
from vision_jax.ops.anchors import default_boxes
from vision_jax.ops.box_coders import Offsets
from vision_jax.ops.shapes import check_shape

_CODER = Offsets((10.0, 5.0))  # that of `MultiBoxCriterion` too
XAVIER = nn.initializers.xavier_uniform()


class Scaled(nn.Module):
  """Features of length one at each place, times a scale that begins at 20."""

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps x (b, h, w, d) to its shape; path scale."""
    twenty = nn.initializers.constant(20.0)
    scale = self.param("scale", twenty, x.shape[-1:], jnp.float32)
    square = jnp.sum(jnp.square(x.astype(jnp.float32)), -1, keepdims=True)
    y = x * jax.lax.rsqrt(jnp.maximum(square, 1e-24)) * scale
    return y.astype(x.dtype)


class SSD(nn.Module):
  """Two maps of a backbone, further ones, and a convolution for each's boxes.

  Paths backbone, norm, fc6, fc7, conv8_1, conv8_2, ..., class_head1, box_head1,
  ... of the maps in order.

  Attributes:
    num_classes: k, without "no object", which is the logits' last.
    backbone: net that gives the image's feature maps.
    levels: the map whose features are scaled, and the one that fc6 sees.
    hidden: features of fc6 and fc7.
    more: (features, stride) of each further map; of stride 1 one that is two
      pixels smaller, without padding.
    scales: sides of boxes, as parts of the image's, of each map and of one
      beyond.
    ratios: of each map's boxes besides squares, and their inverses.
    steps: pixels from one place of a map to the next; () where maps divide the
      image evenly.
    dtype: type to compute in; the heads' results are float32.
  """

  num_classes: int
  backbone: Backbone
  levels: Sequence[str] = ("c4", "c5")
  hidden: int = 1024
  more: Sequence[tuple[int, int]] = ((512, 2), (256, 2), (256, 1), (256, 1))
  scales: Sequence[float] = (0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05)
  ratios: Sequence[Sequence[float]] = ((2,), (2, 3), (2, 3), (2, 3), (2,), (2,))
  steps: Sequence[float] = (8, 16, 32, 64, 100, 300)
  dtype: DTypeLike = jnp.float32
  background = True

  @nn.compact
  def __call__(
    self,
    x: Array,
    *,
    train: bool,
    mask: Array | None = None,
    image_mask: Array | None = None,
  ) -> dict[str, Any]:
    """Maps images x (b, h, w, c) to what each default box finds.

    Args:
      x: images.
      train: whether BatchNorm uses the batch, where a backbone has it.
      mask: (b,), which examples count in BatchNorm.
      image_mask: not asked: what is padding is zeros, and finds nothing.

    Returns:
      Of each map, finest first, with l = h w a boxes: `logits` (b, l, k + 1),
      `offsets` (b, l, 4) as `Offsets` has them, `boxes` (b, l, 4) xyxy in
      pixels of x, and `anchors` (l, 4).
    """
    del image_mask
    check_shape("image", x, "b h w c")
    check_levels(self.backbone, self.levels)
    maps = self.backbone(x, train=train, mask=mask, features=True)
    maps = self._maps(*(maps[level] for level in self.levels))
    head = functools.partial(Conv, use_bias=True, kernel_init=XAVIER)
    out = {"logits": [], "offsets": [], "boxes": [], "anchors": []}
    for i, y in enumerate(maps):
      around = jnp.asarray(self._anchors(i, x.shape[1:3], y.shape[1:3]))
      shapes, k = 2 + 2 * len(self.ratios[i]), self.num_classes + 1
      logits = head(shapes * k, name=f"class_head{i + 1}")(y)
      offsets = rows(head(shapes * 4, name=f"box_head{i + 1}")(y), 4)
      out["logits"].append(rows(logits, k))
      out["offsets"].append(offsets)
      out["boxes"].append(_CODER.decode(offsets, around))
      out["anchors"].append(around)
    return {name: tuple(x) for name, x in out.items()}

  def _maps(self, fine: Array, x: Array) -> list[Array]:
    """All maps, of the two that the backbone gives."""
    conv = functools.partial(
      Conv, use_bias=True, dtype=self.dtype, kernel_init=XAVIER
    )
    x = max_pool(x, 3, 1, 1)
    fc6 = conv(self.hidden, 3, padding=6, dilation=6, name="fc6")
    x = jax.nn.relu(fc6(x))
    x = jax.nn.relu(conv(self.hidden, 1, name="fc7")(x))
    maps = [Scaled(name="norm")(fine), x]
    for i, (features, stride) in enumerate(self.more, 8):
      x = jax.nn.relu(conv(features // 2, 1, name=f"conv{i}_1")(x))
      padding = 1 if stride > 1 else 0
      last = conv(features, 3, stride, padding, name=f"conv{i}_2")
      x = jax.nn.relu(last(x))
      maps.append(x)
    return maps

  def _anchors(self, i: int, image, sides) -> np.ndarray:
    """Default boxes of map i."""
    side, larger = self.scales[i], math.sqrt(math.prod(self.scales[i : i + 2]))
    shapes = [(side, side), (larger, larger)]
    for ratio in self.ratios[i]:
      wide = (side * math.sqrt(ratio), side / math.sqrt(ratio))
      shapes += [wide, wide[::-1]]
    step = self.steps[i] if self.steps else 0.0
    return default_boxes(image, sides, np.float32(shapes), step)


def ssd300(
  num_classes: int, *, dtype: DTypeLike = jnp.float32, **options: Any
) -> SSD:
  """Returns SSD300 on VGG-16, torchvision's ssd300_vgg16.

  With 90 classes, 91 with "no object", it has 35,641,826 parameters; COCO AP
  25.1. Images are 300 x 300.

  Args:
    num_classes: k; the published weights for COCO have 90.
    dtype: type to compute in.
    **options: other fields of `SSD`.
  """
  body = VGG16(num_classes=0, ceil=(3,), dtype=dtype)
  return SSD(num_classes, body, dtype=dtype, **options)
