"""Masks in colours, alone and over their images."""

from collections.abc import Sequence

import numpy as np

from vision_jax.errors import UserError
from vision_jax.viz.palette import palette, readable_on
from vision_jax.viz.pixels import to_rgb
from vision_jax.viz.text import put_label


def colour_mask(
  target: np.ndarray, colours: np.ndarray | int, *, ignore: int | None = 255
) -> np.ndarray:
  """Returns a label map (h w) as an image (h w 3) uint8; ignored is black.

  Args:
    target: integers.
    colours: (k, 3) uint8, or k for `palette(k)`.
    ignore: the value that is no class.

  Raises:
    UserError: for a value without a colour.
  """
  colours = _colours(colours)
  target = np.asarray(target)
  known = np.ones(target.shape, bool) if ignore is None else target != ignore
  if known.any() and not 0 <= target[known].min() <= target[known].max() < len(
    colours
  ):
    raise UserError(
      f"target: got values {np.unique(target[known]).tolist()[:20]}; expected "
      f"0 to {len(colours) - 1} or {ignore}."
    )
  out = np.zeros((*target.shape, 3), np.uint8)
  out[known] = colours[target[known]]
  return out


def overlay_mask(
  image: np.ndarray,
  target: np.ndarray,
  colours: np.ndarray | int,
  *,
  ignore: int | None = 255,
  alpha: float = 0.5,
) -> np.ndarray:
  """Returns the image with its classes' colours over it, (h w 3) uint8.

  Args:
    image: see `to_rgb`.
    target: (h' w') integers, enlarged to the image's size by nearest pixels.
    colours, ignore: see `colour_mask`; ignored pixels show the image alone.
    alpha: how much of the colour, 0 to 1.
  """
  if not 0 <= alpha <= 1:
    raise UserError(f"alpha: got {alpha}; expected 0 to 1.")
  image = to_rgb(image)
  target = resize_mask(target, image.shape[:2])
  colour = colour_mask(target, colours, ignore=ignore)
  mixed = np.round((1 - alpha) * image + alpha * colour).astype(np.uint8)
  if ignore is not None:
    mixed[target == ignore] = image[target == ignore]
  return mixed


def resize_mask(target: np.ndarray, size: tuple[int, int]) -> np.ndarray:
  """Returns label map (h w) at `size` (h', w'), by nearest pixel centres."""
  target = np.asarray(target)
  if target.shape == tuple(size):
    return target
  rows, columns = (
    ((np.arange(n) + 0.5) * m / n).astype(np.int64)
    for n, m in zip(size, target.shape, strict=True)
  )
  return target[rows[:, None], columns]


def legend(
  names: Sequence[str],
  colours: np.ndarray | None = None,
  *,
  width: int = 160,
  height: int | None = None,
) -> np.ndarray:
  """Returns a column of names on their colours, (h width 3) uint8.

  Args:
    names: names of the classes.
    colours: (k, 3) uint8; None for `palette(k)`.
    width: width in pixels; longer names are cut.
    height: height of the image; None for what the lines need. Lines shrink to
      fit.
  """
  colours = _colours(len(names) if colours is None else colours)
  line = 18
  if height is not None and names:
    line = max(min(line, height // len(names)), 1)
  needed = line * len(names)
  out = np.full((height or needed, width, 3), 255, np.uint8)
  for i, name in enumerate(names):
    part = out[i * line : (i + 1) * line]
    part[:] = colours[i]
    if line >= 8:
      put_label(
        part,
        name,
        (2, 0),
        colour=readable_on(colours[i]),
        background=colours[i],
        height=min(line - 7, 11),
      )
  return out


def with_legend(
  image: np.ndarray,
  names: Sequence[str],
  colours: np.ndarray | None = None,
  *,
  width: int = 160,
) -> np.ndarray:
  """Returns the image with a legend to its right, (h w + width 3) uint8."""
  image = to_rgb(image)
  lines = legend(names, colours, width=width, height=image.shape[0])
  return np.concatenate([image, lines], 1)


def _colours(colours) -> np.ndarray:
  if isinstance(colours, int | np.integer):
    return palette(int(colours))
  return np.asarray(colours, np.uint8)
