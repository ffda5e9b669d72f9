"""Objects of an image as masks, boxes, and as a map that numbers them."""

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array
from vision_jax.ops.boxes import area
from vision_jax.ops.instances import IDS
from vision_jax.ops.local import per_image
from vision_jax.ops.shapes import check_shape


def numbered(instances: Array, count: int) -> tuple[Array, Array]:
  """Numbers the objects of maps anew, without gaps, in their order.

  Args:
    instances: (b, h, w) integers: 0 is background, each object has a number of
      its own below 2^16, and numbers may be left out.
    count: the most objects of an image, n; those beyond it are background.

  Returns:
    (b, h, w) int32, 0 ... n; and (b,) int32, how many objects there were.
  """
  check_shape("instances", instances, "b h w")

  def one(x: Array) -> tuple[Array, Array]:
    there = jnp.zeros(IDS, jnp.int32).at[x.reshape(-1)].set(1).at[0].set(0)
    rank = jnp.cumsum(there)
    table = jnp.where((there > 0) & (rank <= count), rank, 0)
    return table[x].astype(jnp.int32), rank[-1].astype(jnp.int32)

  return per_image(jax.vmap(one))(instances)


def boxes_of(instances: Array, count: int) -> tuple[Array, Array]:
  """Returns the boxes around the objects of maps that number them.

  Args:
    instances: (b, h, w), 0 ... n, of which 0 is background.
    count: n.

  Returns:
    (b, n, 4) xyxy in pixels, 0 where there is none; and (b, n) bool.
  """

  def one(x: Array) -> tuple[Array, Array]:
    flat = x.reshape(-1)
    places = jnp.indices(x.shape, jnp.int32).reshape(2, -1)
    most = jnp.iinfo(jnp.int32).max
    high = jnp.full((count + 1, 2), -1).at[flat].max(places.T)[1:]
    low = jnp.full((count + 1, 2), most).at[flat].min(places.T)[1:]
    there = high[:, 0] >= 0
    corners = jnp.concatenate([low[:, ::-1], high[:, ::-1] + 1], -1)
    boxes = jnp.where(there[:, None], corners, 0).astype(jnp.float32)
    return boxes, there

  return per_image(jax.vmap(one))(instances)


def pasted(probs: Array, boxes: Array, size: tuple[int, int]) -> Array:
  """Numbers the pixels of an image by the first object that has them.

  Args:
    probs: (b, p, m, m) in [0, 1], masks of objects as their boxes show them,
      best first; a pixel is of an object where its mask is above a half there.
    boxes: (b, p, 4) xyxy in pixels; one without area is no object.
    size: (h, w) of the image.

  Returns:
    (b, h, w) int32: 0 is background, the object at place i is i + 1.
  """
  check_shape("probs", probs, "b p m m")

  def one(probs: Array, boxes: Array) -> Array:
    def paint(found: Array, item: tuple[Array, ...]) -> tuple[Array, None]:
      prob, box, number = item
      inside = _placed(prob, box, size) > 0.5
      return jnp.where(inside, number, found), None

    number = jnp.where(area(boxes) > 0, jnp.arange(1, len(boxes) + 1), 0)
    items = (probs, boxes, number.astype(jnp.int32))
    worst_first = jax.tree.map(lambda x: x[::-1], items)
    return jax.lax.scan(paint, jnp.zeros(size, jnp.int32), worst_first)[0]

  return per_image(jax.vmap(one))(probs, boxes)


def _placed(prob: Array, box: Array, size: tuple[int, int]) -> Array:
  """A mask (m, m) in its box of an image (h, w), 0 outside, bilinear."""
  cells = prob.shape[0]

  def weights(low: Array, high: Array, length: int) -> Array:
    side = jnp.maximum(high - low, 1e-6)
    middle = jnp.arange(length, dtype=jnp.float32) + 0.5
    at = (middle - low) / side * cells - 0.5
    inside = (middle > low) & (middle < high)
    at = jnp.clip(at, 0, cells - 1)
    cell = jnp.arange(cells, dtype=jnp.float32)
    near = jnp.maximum(1 - jnp.abs(at[:, None] - cell), 0)
    return jnp.where(inside[:, None], near, 0)

  down = weights(box[1], box[3], size[0])
  across = weights(box[0], box[2], size[1])
  return down @ prob @ across.T
