"""What a detector predicts of a box, relative to an anchor, and back again.

Anchors and boxes (..., 4) are xyxy, of the same unit and with broadcasting.
"""

import dataclasses
import math

import jax.numpy as jnp

from vision_jax.core.types import Array
from vision_jax.ops.boxes import cxcywh_to_xyxy, xyxy_to_cxcywh


@dataclasses.dataclass(frozen=True)
class Distances:
  """From the anchor's centre to the four sides, in the anchor's sizes.

  FCOS: Tian et al., https://arxiv.org/abs/1904.01355.
  """

  def encode(self, boxes: Array, anchors: Array) -> Array:
    """Returns left, top, right and bottom, (..., 4)."""
    centre, size = jnp.split(xyxy_to_cxcywh(anchors), 2, -1)
    low, high = boxes[..., :2], boxes[..., 2:]
    return jnp.concatenate([(centre - low) / size, (high - centre) / size], -1)

  def decode(self, code: Array, anchors: Array) -> Array:
    """Returns the boxes of codes (..., 4)."""
    centre, size = jnp.split(xyxy_to_cxcywh(anchors), 2, -1)
    low, high = code[..., :2] * size, code[..., 2:] * size
    return jnp.concatenate([centre - low, centre + high], -1)


@dataclasses.dataclass(frozen=True)
class Offsets:
  """Shift of the centre in the anchor's sizes, and logarithm of the size's.

  R-CNN: Girshick et al., https://arxiv.org/abs/1311.2524.

  Attributes:
    weights: of x and y, and of width and height.
    most: largest factor of a size that is decoded.
  """

  weights: tuple[float, float] = (1.0, 1.0)
  most: float = 1000 / 16

  def encode(self, boxes: Array, anchors: Array) -> Array:
    """Returns dx, dy, dw and dh, (..., 4); of boxes and anchors with area."""
    centre, size = jnp.split(xyxy_to_cxcywh(anchors), 2, -1)
    place, side = jnp.split(xyxy_to_cxcywh(boxes), 2, -1)
    shift, growth = self.weights
    return jnp.concatenate(
      [shift * (place - centre) / size, growth * jnp.log(side / size)], -1
    )

  def decode(self, code: Array, anchors: Array) -> Array:
    """Returns the boxes of codes (..., 4)."""
    centre, size = jnp.split(xyxy_to_cxcywh(anchors), 2, -1)
    shift, growth = self.weights
    place = centre + code[..., :2] / shift * size
    factor = jnp.minimum(code[..., 2:] / growth, math.log(self.most))
    return cxcywh_to_xyxy(jnp.concatenate([place, size * jnp.exp(factor)], -1))


@dataclasses.dataclass(frozen=True)
class WithinCells:
  """Place of the centre in a cell, and logarithm of the size in the anchor's.

  YOLO v2 and v3: Redmon and Farhadi, https://arxiv.org/abs/1612.08242.

  Attributes:
    most: largest factor of a size that is decoded.
  """

  most: float = 1000 / 16

  def encode(self, boxes: Array, anchors: Array, cells: Array) -> Array:
    """Returns x and y in [0, 1) of the cell, dw and dh, (..., 4)."""
    place, side = jnp.split(xyxy_to_cxcywh(boxes), 2, -1)
    low, step = cells[..., :2], cells[..., 2:] - cells[..., :2]
    size = anchors[..., 2:] - anchors[..., :2]
    return jnp.concatenate([(place - low) / step, jnp.log(side / size)], -1)

  def decode(self, code: Array, anchors: Array, cells: Array) -> Array:
    """Returns the boxes of codes (..., 4)."""
    low, step = cells[..., :2], cells[..., 2:] - cells[..., :2]
    size = anchors[..., 2:] - anchors[..., :2]
    factor = jnp.exp(jnp.minimum(code[..., 2:], math.log(self.most)))
    place = low + code[..., :2] * step
    return cxcywh_to_xyxy(jnp.concatenate([place, size * factor], -1))
