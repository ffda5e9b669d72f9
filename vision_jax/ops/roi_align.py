"""RoIAlign: what maps show inside each box, as a grid of one size."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array
from vision_jax.ops.boxes import area
from vision_jax.ops.local import per_image
from vision_jax.ops.shapes import check_shape

CANONICAL = 224.0, 4  # side of a box in pixels -> binary logarithm of a stride


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
    samples: of each of its cells along an axis; 0 for as many as it has pixels.
    aligned: whether a pixel's value is at its centre, half a pixel inside;
      without it a box has a side of a pixel at least.
  """
  b, *_ = check_shape("x", x, "b h w d")
  check_shape("boxes", boxes, f"{b} n 4")

  def one(x: Array, boxes: Array) -> Array:
    down, across = box_weights(boxes, x.shape[:2], size, samples, aligned)
    rows = jnp.einsum("nph,hwd->npwd", down, x)
    return jnp.einsum("npwd,nqw->npqd", rows, across)

  return per_image(jax.vmap(one))(x, boxes)


def pyramid_align(
  maps: Sequence[Array],
  strides: Sequence[int],
  boxes: Array,
  *,
  size: tuple[int, int],
  canonical: float = CANONICAL[0],
) -> Array:
  """`roi_align` of that map of a pyramid which suits a box's size.

  Lin et al., 2017, https://arxiv.org/abs/1612.03144, equation 1.

  Args:
    maps: (b, h, w, d) of each level, finest first.
    strides: of each, in pixels, each twice the one before.
    boxes: (b, n, 4) xyxy in pixels of the image.
    size: (h, w) of the result.
    canonical: side of a box that is seen at stride 16.

  Returns:
    (b, n, *size, d).
  """
  side = jnp.sqrt(jnp.maximum(area(boxes), 1e-12))
  level = jnp.floor(CANONICAL[1] + jnp.log2(side / canonical) + 1e-6)
  first = strides[0].bit_length() - 1
  level = jnp.clip(level.astype(jnp.int32) - first, 0, len(maps) - 1)
  found = 0
  for i, (x, stride) in enumerate(zip(maps, strides, strict=True)):
    own = roi_align(x, boxes / stride, size=size)
    found += jnp.where((level == i)[..., None, None, None], own, 0)
  return found


def box_weights(
  boxes: Array,
  sides: tuple[int, int],
  size: tuple[int, int],
  samples: int,
  aligned: bool = False,
) -> tuple[Array, Array]:
  """What each row and each column of a map adds to the cells of boxes.

  Samples lie on a grid, and bilinear weights are products of those of the two
  axes: so are their means.

  Args:
    boxes: (n, 4), sides: (h, w) of the map, size: (p, q) cells, and more as
      `roi_align` has it.

  Returns:
    (n, p, h) and (n, q, w).
  """
  low, high = jnp.split(boxes - 0.5 * aligned, 2, -1)
  side = high - low
  side = side if aligned else jnp.maximum(side, 1.0)
  rows, columns = (
    _weights(low[:, axis], side[:, axis], cells, samples, sides[1 - axis])
    for axis, cells in ((1, size[0]), (0, size[1]))
  )
  return rows, columns


def _weights(
  low: Array, side: Array, cells: int, samples: int, length: int
) -> Array:
  """What each pixel of an axis adds to each cell of each box, (n, cells, l)."""
  most = samples or -(-length // cells)
  number = jnp.full_like(side, samples)
  if not samples:
    number = jnp.clip(jnp.ceil(side / cells), 1, most)
  line = lambda n: jnp.arange(n, dtype=jnp.float32)
  sample, number = line(most), number[:, None, None]
  part = (sample + 0.5) / number + line(cells)[:, None]
  at = low[:, None, None] + side[:, None, None] * part / cells
  inside = (at >= -1) & (at <= length) & (sample < number)
  at = jnp.clip(at, 0, length - 1)
  near = jnp.maximum(1 - jnp.abs(at[..., None] - line(length)), 0)
  return jnp.where(inside[..., None], near, 0).sum(2) / number
