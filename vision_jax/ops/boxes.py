"""Boxes: formats, overlaps and their generalisation; any leading axes.

The last axis is the four numbers of a box: `cxcywh` (centre, size), `xyxy`
(two corners, x and y growing to the right and down) or `xywh` (corner, size;
COCO's files). Units are pixels or fractions of the image, the same throughout.
"""

import jax.numpy as jnp
import numpy as np

from vision_jax.core.types import Array, Batch


def cxcywh_to_xyxy(boxes: Array) -> Array:
  """Centre and size (..., 4) to the corners (..., 4)."""
  centre, half = boxes[..., :2], boxes[..., 2:] / 2
  return jnp.concatenate([centre - half, centre + half], -1)


def xyxy_to_cxcywh(boxes: Array) -> Array:
  """Corners (..., 4) to centre and size (..., 4)."""
  low, high = boxes[..., :2], boxes[..., 2:]
  return jnp.concatenate([(low + high) / 2, high - low], -1)


def xyxy_to_xywh(boxes: Array) -> Array:
  """Corners (..., 4) to the first corner and the size (..., 4)."""
  low, high = boxes[..., :2], boxes[..., 2:]
  return jnp.concatenate([low, high - low], -1)


def xywh_to_xyxy(boxes: Array) -> Array:
  """First corner and size (..., 4) to the corners (..., 4)."""
  low, size = boxes[..., :2], boxes[..., 2:]
  return jnp.concatenate([low, low + size], -1)


def area(boxes: Array) -> Array:
  """Areas (...) of xyxy boxes (..., 4); 0 where corners are out of order."""
  size = jnp.maximum(boxes[..., 2:] - boxes[..., :2], 0)
  return size[..., 0] * size[..., 1]


def iou(a: Array, b: Array) -> Array:
  """Intersection over union of xyxy boxes, elementwise with broadcasting.

  Of two boxes without area it is 0.
  """
  return _divide(*_overlap(a, b))


def generalized_iou(a: Array, b: Array) -> Array:
  """GIoU of xyxy boxes in [-1, 1], elementwise with broadcasting.

  IoU less the share of the hull (the smallest box around both) that neither
  covers: Rezatofighi et al., 2019, https://arxiv.org/abs/1902.09630. It has a
  gradient where the boxes do not meet.
  """
  intersection, union = _overlap(a, b)
  hull = area(
    jnp.concatenate(
      [
        jnp.minimum(a[..., :2], b[..., :2]),
        jnp.maximum(a[..., 2:], b[..., 2:]),
      ],
      -1,
    )
  )
  return _divide(intersection, union) - _divide(hull - union, hull)


def pairwise_iou(a: Array, b: Array) -> Array:
  """IoU of every pair: xyxy (..., q, 4) and (..., n, 4) to (..., q, n)."""
  return iou(a[..., :, None, :], b[..., None, :, :])


def host_iou(
  a: np.ndarray, b: np.ndarray, crowd: np.ndarray | None = None
) -> np.ndarray:
  """`pairwise_iou` on the host, in float64: (q, 4) and (n, 4) to (q, n).

  Args:
    a: xyxy.
    b: xyxy.
    crowd: (n,), which of b are regions of many objects: there it is the part
      of a's area that lies in b, as COCO's tools have it; None for none.
  """
  a = np.asarray(a, np.float64).reshape(-1, 1, 4)
  b = np.asarray(b, np.float64).reshape(1, -1, 4)
  size = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
  both = np.maximum(size, 0).prod(-1)
  own, other = (np.maximum(x[..., 2:] - x[..., :2], 0).prod(-1) for x in (a, b))
  whole = own + other - both
  if crowd is not None:
    whole = np.where(np.asarray(crowd) > 0, own, whole)
  return both / np.maximum(whole, 1e-12)


def pairwise_inside(a: Array, b: Array) -> Array:
  """Part of each a's area that lies in each b, as shapes of `pairwise_iou`."""
  a = a[..., :, None, :]
  return _divide(_overlap(a, b[..., None, :, :])[0], area(a))


def pairwise_generalized_iou(a: Array, b: Array) -> Array:
  """GIoU of every pair: xyxy (..., q, 4) and (..., n, 4) to (..., q, n)."""
  return generalized_iou(a[..., :, None, :], b[..., None, :, :])


def clip(boxes: Array, low: float = 0.0, high: float = 1.0) -> Array:
  """Cuts xyxy boxes (..., 4) to [low, high] on both axes."""
  return jnp.clip(boxes, low, high)


def around_masks(masks: Array) -> Array:
  """Returns the xyxy boxes (..., 4), in pixels, around masks (..., h, w).

  Of a mask of nothing it is zeros.
  """
  masks = masks > 0

  def span(axis: int) -> tuple[Array, Array]:
    there = masks.any(axis)
    first = jnp.argmax(there, -1)
    last = there.shape[-1] - jnp.argmax(there[..., ::-1], -1)
    return first, jnp.where(there.any(-1), last, 0)

  (left, right), (top, bottom) = span(-2), span(-1)
  return jnp.stack([left, top, right, bottom], -1).astype(jnp.float32)


def pixel_scale(batch: Batch) -> Array:
  """Returns (b, 4), by which boxes in [0, 1] become pixels of their image.

  It is width, height, width, height: of the image as it was, where the batch
  has `size` (b, 2; height, width), else as `canvas_scale`.
  """
  if "size" not in batch:
    return canvas_scale(batch)
  return _both_corners(batch["size"].astype(jnp.float32))


def canvas_scale(batch: Batch) -> Array:
  """Returns (b, 4), by which boxes in [0, 1] become pixels of `image`.

  It is width, height, width, height of what `image_mask` (b, h, w) shows, where
  the batch has it, else of `image` (b, h, w, c).
  """
  b, h, w, _ = batch["image"].shape
  if "image_mask" in batch:
    shown = batch["image_mask"].astype(jnp.float32)
    rows, columns = shown.max(2).sum(1), shown.max(1).sum(1)
    size = jnp.stack([rows, columns], -1)
  else:
    size = jnp.broadcast_to(jnp.array([h, w], jnp.float32), (b, 2))
  return _both_corners(size)


def _both_corners(size: Array) -> Array:
  """Height and width (b, 2) to width, height, width, height."""
  return jnp.concatenate([size[:, ::-1], size[:, ::-1]], -1)


def _overlap(a: Array, b: Array) -> tuple[Array, Array]:
  """Returns the areas of intersection and union."""
  low = jnp.maximum(a[..., :2], b[..., :2])
  high = jnp.minimum(a[..., 2:], b[..., 2:])
  size = jnp.maximum(high - low, 0)
  intersection = size[..., 0] * size[..., 1]
  return intersection, area(a) + area(b) - intersection


def _divide(part: Array, whole: Array) -> Array:
  """part / whole, and 0 with a gradient of 0 where the whole is 0."""
  empty = whole <= 0
  return jnp.where(empty, 0, part / jnp.where(empty, 1, whole))
