"""Many images as one."""

import math
from collections.abc import Sequence

import numpy as np

from vision_jax.errors import UserError
from vision_jax.viz.pixels import to_rgb
from vision_jax.viz.text import put_label

LEAST = 512  # pixels of a grid's longer side
TITLE = 18  # pixels of a line of titles


def grid(
  images: Sequence[np.ndarray],
  columns: int | None = None,
  *,
  gap: int = 2,
  background: int = 255,
  titles: Sequence[str] = (),
  least: int = LEAST,
) -> np.ndarray:
  """Lays images out in rows, (h w 3) uint8.

  Args:
    images: see `to_rgb`; of any sizes: each has a cell of the largest's, in
      whose upper left corner it stands.
    columns: None for a grid that is about square.
    gap: pixels between cells.
    background: grey value of what is left.
    titles: one for each image, written above it; "" is none.
    least: pixels of the longer side; images are enlarged by a whole factor, the
      same for all, if they have less.
  """
  if len(images) == 0:
    raise UserError("grid: got no images; expected one at least.")
  if titles and len(titles) != len(images):
    raise UserError(f"grid: got {len(titles)} titles for {len(images)} images.")
  images = [to_rgb(image) for image in images]
  columns = columns or math.ceil(math.sqrt(len(images)))
  rows = -(-len(images) // columns)
  cell = [max(image.shape[i] for image in images) for i in (0, 1)]
  factor = enlargement((rows * cell[0], columns * cell[1]), least)
  h, w = (n * factor for n in cell)
  heads = [_head(titles[i * columns : (i + 1) * columns]) for i in range(rows)]
  shape = (rows * (h + gap) - gap + sum(heads), columns * (w + gap) - gap, 3)
  out = np.full(shape, background, np.uint8)
  for i, image in enumerate(images):
    row, column = divmod(i, columns)
    y = row * (h + gap) + sum(heads[: row + 1])
    x = column * (w + gap)
    if titles and titles[i]:
      _write(out[y - TITLE : y, x : x + w], titles[i], background)
    large = enlarge(image, factor)
    out[y : y + large.shape[0], x : x + large.shape[1]] = large
  return out


def enlargement(size: tuple[int, int], least: int = LEAST) -> int:
  """Returns the least whole factor that makes a side so many pixels long."""
  return max(-(-least // max(size)), 1)


def enlarge(image: np.ndarray, factor: int) -> np.ndarray:
  """Returns an image (h w ...) whose pixels are squares of so many."""
  return image.repeat(factor, 0).repeat(factor, 1)


def _head(titles: Sequence[str]) -> int:
  """Returns the height of a row's titles."""
  return TITLE if any(titles) else 0


def _write(line: np.ndarray, title: str, background: int) -> None:
  ground, ink = (background,) * 3, (0,) * 3 if background > 127 else (255,) * 3
  put_label(line, title, (0, 0), colour=ink, background=ground, height=11)
