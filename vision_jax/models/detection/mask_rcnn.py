"""Mask R-CNN: Faster R-CNN that finds the mask in each box too.

He et al., 2017, https://arxiv.org/abs/1703.06870; in torchvision's form.
"""

import functools
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.conv import HE_NORMAL, Conv
from vision_jax.layers.upsample import TransposedConv
from vision_jax.models.detection import faster_rcnn
from vision_jax.models.detection.dense_head import Tower
from vision_jax.models.detection.faster_rcnn import FasterRCNN, Find, Outputs

CELLS = 14  # of a box along an axis; its mask has twice as many


class MaskHead(nn.Module):
  """Convolutions on what is in a box, and a mask of each class.

  Paths tower, up, mask.

  Attributes:
    num_classes: k.
    features: channels of the convolutions.
    convs: of the tower.
    dtype: type to compute in; the results are float32.
  """

  num_classes: int
  features: int = 256
  convs: int = 4
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps x (b, s, 14, 14, d) to logits (b, s, 28, 28, k + 1)."""
    b, s = x.shape[:2]
    x = x.reshape(b * s, *x.shape[2:])
    how = {"dtype": self.dtype, "kernel_init": HE_NORMAL}
    x = Tower(self.convs, self.features, 0, **how, name="tower")(x)
    x = jax.nn.relu(TransposedConv(self.features, **how, name="up")(x))
    k = self.num_classes + 1
    last = Conv(k, 1, use_bias=True, kernel_init=HE_NORMAL, name="mask")
    x = last(x)
    return x.reshape(b, s, *x.shape[1:])


class MaskRCNN(FasterRCNN):
  """Faster R-CNN with a head for masks; paths as there, and mask_head.

  Attributes:
    mask_convs: of the mask head's tower.
  """

  mask_convs: int = 4

  def setup(self):
    super().setup()
    self.mask_head = MaskHead(
      self.num_classes, self.features, self.mask_convs, self.dtype
    )

  def look(
    self, maps: Sequence[Array], out: Outputs, find: Find | None
  ) -> Outputs:
    """Returns the outputs with `objects`, masks, logits (b, s, 28, 28, k + 1).

    They are of the boxes `found`, see `FasterRCNN`.
    """
    found = out["regions"] if find is None else find(out)
    seen = self.align(maps, found.boxes, CELLS)
    return out | {"found": found, "objects": self.mask_head(seen)}


variant = functools.partial(faster_rcnn.variant, net=MaskRCNN)
variant.__doc__ = """Returns it on "R50" or "tiny", see `faster_rcnn.variant`.

With 90 classes and the background R50, torchvision's maskrcnn_resnet50_fpn, has
44,401,393 parameters besides the 53,120 of its frozen norms; COCO AP 37.9 of
boxes and 34.6 of masks.
"""
