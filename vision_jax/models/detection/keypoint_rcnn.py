"""Keypoint R-CNN: Faster R-CNN that finds the keypoints in each box too.

He et al., 2017, https://arxiv.org/abs/1703.06870, section 5; in torchvision's
form.
"""

import functools
from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.conv import HE_NORMAL
from vision_jax.layers.interpolate import bilinear
from vision_jax.layers.upsample import TransposedConv
from vision_jax.models.detection import faster_rcnn
from vision_jax.models.detection.dense_head import Tower
from vision_jax.models.detection.faster_rcnn import FasterRCNN, Find, Outputs

CELLS = 14  # of a box along an axis; its maps have four times as many


class KeypointHead(nn.Module):
  """Convolutions on what is in a box, and a map of each keypoint.

  Paths tower, up.

  Attributes:
    num_keypoints: j.
    features: channels of the convolutions.
    convs: of the tower.
    dtype: type to compute in; the results are float32.
  """

  num_keypoints: int = 17
  features: int = 512
  convs: int = 8
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps x (b, s, 14, 14, d) to logits (b, s, 56, 56, j)."""
    b, s, h, w, _ = x.shape
    x = x.reshape(b * s, h, w, -1)
    how = {"dtype": self.dtype, "kernel_init": HE_NORMAL}
    x = Tower(self.convs, self.features, 0, **how, name="tower")(x)
    x = TransposedConv(self.num_keypoints, kernel=4, name="up")(x)
    x = bilinear(x[:, 1:-1, 1:-1], (4 * h, 4 * w))
    return x.reshape(b, s, *x.shape[1:])


class KeypointRCNN(FasterRCNN):
  """Faster R-CNN with a head for keypoints; paths as there, keypoint_head.

  Attributes:
    num_keypoints: j.
    keypoint_features: channels of the keypoint head.
    keypoint_convs: of its tower.
  """

  num_keypoints: int = 17
  keypoint_features: int = 512
  keypoint_convs: int = 8

  def setup(self):
    super().setup()
    self.keypoint_head = KeypointHead(
      *(self.num_keypoints, self.keypoint_features, self.keypoint_convs),
      self.dtype,
    )

  def look(
    self, maps: Sequence[Array], out: Outputs, find: Find | None
  ) -> Outputs:
    """Returns the outputs with `objects`, maps of keypoints, logits
    (b, s, 56, 56, j).

    They are of the boxes `found`, see `FasterRCNN`.
    """
    found = out["regions"] if find is None else find(out)
    seen = self.align(maps, found.boxes, CELLS)
    return out | {"found": found, "objects": self.keypoint_head(seen)}


variant = functools.partial(faster_rcnn.variant, net=KeypointRCNN)
variant.__doc__ = """Returns it on "R50" or "tiny", see `faster_rcnn.variant`.

With one class, persons, and the background R50, torchvision's
keypointrcnn_resnet50_fpn, has 59,137,258 parameters besides the 53,120 of its
frozen norms; COCO AP 54.6 of boxes and 65.0 of keypoints.
"""
