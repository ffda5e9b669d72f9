"""Many pictures as one."""

import math
from collections.abc import Sequence

import numpy as np

from vision_jax.errors import UserError
from vision_jax.viz.palette import readable_on
from vision_jax.viz.pixels import to_rgb
from vision_jax.viz.text import put_label


def grid(
  images: Sequence[np.ndarray],
  columns: int | None = None,
  *,
  gap: int = 2,
  background: int = 255,
  titles: Sequence[str] = (),
) -> np.ndarray:
  """Lays images out in rows, (h w 3) uint8.

  Args:
    images: see `to_rgb`; of any sizes: each has a cell of the largest's, in
      whose upper left corner it stands.
    columns: None for a grid that is about square.
    gap: pixels between cells.
    background: grey value of what is left.
    titles: written into the corners, if given.
  """
  if len(images) == 0:
    raise UserError("grid: got no images; expected one at least.")
  if titles and len(titles) != len(images):
    raise UserError(f"grid: got {len(titles)} titles for {len(images)} images.")
  images = [to_rgb(image) for image in images]
  columns = columns or math.ceil(math.sqrt(len(images)))
  rows = -(-len(images) // columns)
  h, w = (max(image.shape[i] for image in images) for i in (0, 1))
  shape = (rows * (h + gap) - gap, columns * (w + gap) - gap, 3)
  out = np.full(shape, background, np.uint8)
  for i, image in enumerate(images):
    if titles:
      ground = (255, 255, 255)
      put_label(
        image, titles[i], (0, 0), colour=readable_on(ground), background=ground
      )
    y, x = i // columns * (h + gap), i % columns * (w + gap)
    out[y : y + image.shape[0], x : x + image.shape[1]] = image
  return out
