"""RoIAlign: what a map shows inside each box, as a grid of one size."""

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array
from vision_jax.ops.local import per_image
from vision_jax.ops.shapes import check_shape


def roi_align(
  x: Array,
  boxes: Array,
  *,
  size: tuple[int, int] = (7, 7),
  samples: int = 2,
  aligned: bool = False,
) -> Array:
  """Averages bilinear samples of maps in boxes, (b, n, *size, d).

  He et al., 2017, https://arxiv.org/abs/1703.06870. As torchvision's: a
  sample more than a pixel outside of the map is 0.

  Args:
    x: maps (b, h, w, d).
    boxes: (b, n, 4) xyxy in pixels of the map.
    size: (h, w) of the result.
    samples: of each of its cells along an axis; a fixed number.
    aligned: whether a pixel's value is at its centre, half a pixel inside;
      without it a box has a side of a pixel at least.
  """
  b, *_ = check_shape("x", x, "b h w d")
  check_shape("boxes", boxes, f"{b} n 4")

  def one(x: Array, boxes: Array) -> Array:
    low, high = jnp.split(boxes - 0.5 * aligned, 2, -1)
    side = high - low
    side = side if aligned else jnp.maximum(side, 1.0)
    weights = [
      _weights(low[:, axis], side[:, axis], cells, samples, x.shape[1 - axis])
      for axis, cells in ((1, size[0]), (0, size[1]))
    ]
    rows = jnp.einsum("nph,hwd->npwd", weights[0], x)
    return jnp.einsum("npwd,nqw->npqd", rows, weights[1])

  return per_image(jax.vmap(one))(x, boxes)


def _weights(
  low: Array, side: Array, cells: int, samples: int, length: int
) -> Array:
  """What each pixel of an axis adds to each cell of each box, (n, cells, l).

  Samples lie on a grid, and bilinear weights are products of those of the two
  axes: so are their means.
  """
  place = (jnp.arange(cells * samples) + 0.5) / (cells * samples)
  at = low[:, None] + side[:, None] * place
  inside = (at >= -1) & (at <= length)
  at = jnp.clip(at, 0, length - 1)
  near = jnp.maximum(1 - jnp.abs(at[..., None] - jnp.arange(length)), 0)
  near = jnp.where(inside[..., None], near, 0)
  return near.reshape(-1, cells, samples, length).mean(2)
