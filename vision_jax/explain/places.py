"""Where what a net sees lies in a user's image."""

import dataclasses
from collections.abc import Sequence

import cv2
import numpy as np

from vision_jax.data.transforms.base import Transform, apply_all


@dataclasses.dataclass(frozen=True)
class Axis:
  """A line of the net's image in the user's, of which it may be a part.

  Attributes:
    size: pixels of the net's image that are no padding.
    scale: the user's pixels in one of the net's.
    start: where the first begins, in the user's pixels.
  """

  size: int
  scale: float
  start: float

  def __call__(self, length: int, cells: int, whole: int) -> np.ndarray:
    """Returns the cell (fractional) of each of the user's pixels.

    Args:
      length: the user's pixels.
      cells: of a heat over the net's image.
      whole: pixels of the net's image with its padding.

    Returns:
      (length,), NaN where the net does not see the pixel.
    """
    at = (np.arange(length) + 0.5 - self.start) / self.scale
    at = np.where((at < 0) | (at > self.size), np.nan, at)
    return at / whole * cells - 0.5


def axes(
  transforms: Sequence[Transform], size: tuple[int, int]
) -> tuple[Axis, Axis]:
  """Returns how rows and columns go through transforms that keep lines.

  An image whose values are its own coordinates goes through them, without the
  decoding, and a line is fitted to what comes out away from the edges.

  Args:
    transforms: of a `Predict`; the first decodes.
    size: (h, w) of the user's image.
  """
  h, w = size
  rows, columns = np.mgrid[:h, :w].astype(np.float32) + 0.5
  image = np.stack([rows / h, columns / w, np.zeros_like(rows)], -1)
  found = apply_all(transforms[1:], {"image": image}, None)
  seen = found.get("image_mask", np.ones(found["image"].shape[:2]))
  n, m = int(seen.max(1).sum()), int(seen.max(0).sum())
  return (
    _fit(found["image"][:n, m // 2, 0] * h, h),
    _fit(found["image"][n // 2, :m, 1] * w, w),
  )


def _fit(line: np.ndarray, length: int) -> Axis:
  n = len(line)
  middle = slice(n // 4, n - n // 4)
  at = np.arange(n)[middle] + 0.5
  if len(at) < 2:  # no line: all of it
    return Axis(n, length / n, 0.0)
  scale, start = np.polyfit(at, line[middle].astype(np.float64), 1)
  return Axis(n, float(scale), float(start))


def enlarge(
  heat: np.ndarray,
  both: tuple[Axis, Axis],
  size: tuple[int, int],
  whole: tuple[int, int],
) -> np.ndarray:
  """Returns heat (h', w') at the user's image, bilinear; 0 where unseen.

  Args:
    heat: over the net's image.
    both: of rows and of columns.
    size: (h, w) of the user's image.
    whole: (height, width) of the net's.
  """
  given = zip(both, size, heat.shape, whole, strict=True)
  rows, columns = (axis(n, cells, all_) for axis, n, cells, all_ in given)
  unseen = np.isnan(rows)[:, None] | np.isnan(columns)
  y, x = np.broadcast_arrays(
    np.nan_to_num(rows)[:, None], np.nan_to_num(columns)
  )
  found = cv2.remap(
    np.asarray(heat, np.float32),
    x.astype(np.float32),
    y.astype(np.float32),
    cv2.INTER_LINEAR,
    borderMode=cv2.BORDER_REPLICATE,
  )
  return np.where(unseen, 0, found)
