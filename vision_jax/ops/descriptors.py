"""Descriptors of before deep learning: HOG, and a bank of Gabor filters.

Functions of images (b, h, w, c), in float32: what a support vector machine or a
forest is given in the place of pixels.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.ops.filters import BORDERS

NORMS = ("L1", "L1-sqrt", "L2", "L2-Hys")
_EPS = 1e-5  # of a block's norm
# Of a bin: angles that are its border's but for rounding are in the next one.
_ROUNDING = 1e-5
_MOST = 0.2  # of a block's values, L2-Hys


def hog(
  x: Array,
  orientations: int = 9,
  cell: tuple[int, int] = (8, 8),
  block: tuple[int, int] = (3, 3),
  norm: str = "L2-Hys",
) -> Array:
  """Histograms of oriented gradients of x (b, h, w, c): (b, d).

  Dalal and Triggs (2005), as `skimage.feature.hog`: a gradient is the largest
  of the channels' and falls into one bin of one cell; blocks of cells overlap.
  Pixels right of and below the last whole cell do not count.

  Args:
    x: images; of equal gradients the first channel's counts.
    orientations: bins of 0 to 180 degrees.
    cell: (rows, columns) of pixels.
    block: (rows, columns) of cells, normalised together.
    norm: one of NORMS.

  Returns:
    All blocks' histograms, d = block rows * block columns * cells of a block *
    orientations, in this order.

  Raises:
    UserError: for an unknown norm, or images smaller than a block.
  """
  x = jnp.asarray(x, jnp.float32)
  b, h, w, _ = x.shape
  rows, columns = h // cell[0], w // cell[1]
  if norm not in NORMS:
    raise UserError(f"hog: got norm={norm!r}; expected {', '.join(NORMS)}.")
  if rows < block[0] or columns < block[1]:
    raise UserError(
      f"hog: got images {h} x {w}; expected {block[0] * cell[0]} x "
      f"{block[1] * cell[1]} at least, for a block of {block} cells of {cell}. "
      "Enlarge them, or take smaller cells or blocks."
    )
  votes = _votes(x, orientations)[:, : rows * cell[0], : columns * cell[1]]
  votes = votes.reshape(b, rows, cell[0], columns, cell[1], orientations)
  blocks = _blocks(votes.mean((2, 4)), block)
  return _normalized(blocks, norm).reshape(b, -1)


def _votes(x: Array, orientations: int) -> Array:
  """The gradients' strength, in the bin of each: (b, h, w, orientations)."""
  dy = jnp.pad(x[:, 2:] - x[:, :-2], ((0, 0), (1, 1), (0, 0), (0, 0)))
  dx = jnp.pad(x[:, :, 2:] - x[:, :, :-2], ((0, 0), (0, 0), (1, 1), (0, 0)))
  strength = jnp.hypot(dy, dx)
  largest = jnp.argmax(strength, -1, keepdims=True)
  of = lambda z: jnp.take_along_axis(z, largest, -1)[..., 0]
  angle = jnp.arctan2(of(dy), of(dx)) * (orientations / np.pi)
  bins = jnp.floor(angle % orientations + _ROUNDING) % orientations
  hit = bins[..., None] == jnp.arange(orientations)
  return jnp.where(hit, of(strength)[..., None], 0)


def _blocks(cells: Array, block: tuple[int, int]) -> Array:
  """All blocks of cells (b, r, c, o): (b, r', c', rows, columns, o)."""
  _, rows, columns, _ = cells.shape
  down, across = rows - block[0] + 1, columns - block[1] + 1
  lines = [
    jnp.stack(
      [cells[:, i : i + down, j : j + across] for j in range(block[1])], 3
    )
    for i in range(block[0])
  ]
  return jnp.stack(lines, 3)


def _normalized(blocks: Array, norm: str) -> Array:
  """Divides each block (..., rows, columns, o) by its norm."""
  total = lambda z: jnp.sum(z, (-3, -2, -1), keepdims=True)
  by_length = lambda z: z / jnp.sqrt(total(z**2) + _EPS**2)
  if norm == "L1":
    return blocks / (total(blocks) + _EPS)
  if norm == "L1-sqrt":
    return jnp.sqrt(blocks / (total(blocks) + _EPS))
  blocks = by_length(blocks)
  return by_length(jnp.minimum(blocks, _MOST)) if norm == "L2-Hys" else blocks


def gabor_kernel(
  frequency: float, angle: float, bandwidth: float = 1.0, reach: float = 3.0
) -> np.ndarray:
  """Returns a Gabor filter, complex (k, l), as `skimage.filters.gabor_kernel`.

  A wave under a Gaussian that is as wide in all directions.

  Args:
    frequency: of the wave, a pixel.
    angle: radians of the wave's direction, from the columns' to the rows'.
    bandwidth: octaves of the frequencies that it passes.
    reach: standard deviations that it reaches to each side.

  Raises:
    UserError: for a wave that is none.
  """
  if not 0 < frequency <= 0.5 or bandwidth <= 0:
    raise UserError(
      f"gabor: got frequency={frequency}, bandwidth={bandwidth}; expected a "
      "frequency above 0 up to 0.5 a pixel and a bandwidth above 0."
    )
  ratio = (2**bandwidth + 1) / (2**bandwidth - 1)
  sigma = np.sqrt(np.log(2) / 2) / np.pi * ratio / frequency
  cos, sin = np.cos(angle), np.sin(angle)
  side = lambda *parts: int(
    np.ceil(max(1, *(reach * sigma * p for p in parts)))
  )
  far = side(abs(sin), abs(cos))
  y, x = np.mgrid[-far : far + 1, -far : far + 1]
  wave = np.exp(2j * np.pi * frequency * (x * cos + y * sin))
  bell = np.exp(-(x**2 + y**2) / (2 * sigma**2))
  return bell * wave / (2 * np.pi * sigma**2)


def gabor(
  x: Array,
  frequencies: Sequence[float] = (0.1, 0.2, 0.4),
  orientations: int = 6,
  grid: tuple[int, int] = (4, 4),
  border: str = "reflect",
) -> Array:
  """Strengths of Gabor filters' responses to x (b, h, w, c), pooled: (b, d).

  The modulus does not depend on where in its wave a line lies. It is averaged
  over the cells of a grid.

  Args:
    x: images.
    frequencies: of the waves, a pixel.
    orientations: directions, evenly from 0 to 180 degrees.
    grid: (rows, columns) of the cells, whose sides differ by a pixel at most.
    border: what is beyond the image, see `ops.filters`.

  Returns:
    d = rows * columns * c * frequencies * orientations, in this order.

  Raises:
    UserError: for a finer grid than the pixels'.
  """
  x = jnp.asarray(x, jnp.float32)
  b, h, w, _ = x.shape
  if not (1 <= grid[0] <= h and 1 <= grid[1] <= w):
    raise UserError(
      f"gabor: got a grid of {grid} for images {h} x {w}; expected 1 cell to "
      "each side at least, and no more than pixels."
    )
  angles = np.arange(orientations) * np.pi / orientations
  found = [
    _responses(x, [gabor_kernel(f, angle) for angle in angles], border)
    for f in frequencies
  ]
  found = jnp.stack(found, -2)  # b h w c f o
  for axis, (size, parts) in enumerate(zip((h, w), grid, strict=True), 1):
    found = _pooled(found, axis, size, parts)
  return found.reshape(b, -1)


def _responses(x: Array, kernels: Sequence[np.ndarray], border: str) -> Array:
  """Moduli of x (b, h, w, c) correlated with kernels of one side: (..., o)."""
  b, h, w, c = x.shape
  size = max(k.shape[0] for k in kernels)
  wide = [np.pad(k, (size - k.shape[0]) // 2) for k in kernels]
  both = np.stack([part(k) for part in (np.real, np.imag) for k in wide], -1)
  half = ((0, 0), (size // 2,) * 2, (size // 2,) * 2, (0, 0))
  planes = jnp.pad(x, half, mode=BORDERS[border])
  planes = planes.transpose(0, 3, 1, 2).reshape(b * c, *planes.shape[1:3], 1)
  found = jax.lax.conv_general_dilated(
    planes,
    jnp.asarray(both[:, :, None], jnp.float32),
    (1, 1),
    "VALID",
    dimension_numbers=("NHWC", "HWIO", "NHWC"),
    precision=jax.lax.Precision.HIGHEST,
  )
  found = jnp.hypot(*jnp.split(found, 2, -1))
  return found.reshape(b, c, h, w, -1).transpose(0, 2, 3, 1, 4)


def _pooled(x: Array, axis: int, size: int, parts: int) -> Array:
  """Averages an axis over as many cells."""
  ends = np.linspace(0, size, parts + 1).round().astype(int)
  weights = np.zeros((parts, size), np.float32)
  for row, first, last in zip(weights, ends[:-1], ends[1:], strict=True):
    row[first:last] = 1 / (last - first)
  mean = jnp.tensordot(weights, x, (1, axis), precision="highest")
  return jnp.moveaxis(mean, 0, axis)
