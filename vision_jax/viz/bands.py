"""Images of any number of bands, and of any range, as one can see them."""

import math
from collections.abc import Sequence

import numpy as np

from vision_jax.errors import UserError

LOW, HIGH = 2, 98  # percentiles of a band that become black and white
_ENOUGH = 2**20  # pixels that percentiles are taken of


def check_show(bands: Sequence[int], have: Sequence[int]) -> None:
  """Checks which bands are to be shown: one as grey, or three as colours.

  Args:
    bands: their numbers; () for the first that there are.
    have: the numbers of those that there are.

  Raises:
    UserError: for others.
  """
  if bands and (len(bands) not in (1, 3) or not {*bands} <= {*have}):
    raise UserError(
      f"--config.show_bands: got {tuple(bands)}; expected one band, for grey, "
      f"or three, for red, green and blue, of {', '.join(map(str, have))}."
    )


def show_bands(image: np.ndarray, bands: Sequence[int] = ()) -> np.ndarray:
  """Returns bands of an image as (h w 1) or (h w 3) uint8.

  Bytes stay. Of other types each band's 2nd percentile becomes black, and its
  98th white, as is usual of maps: values in between are not comparable from
  image to image, and what is constant is black.

  Args:
    image: (h w) or (h w c) of any type.
    bands: one, or three for red, green and blue; () takes the first three, or
      of fewer the first. An image of one band shows that.
  """
  image = np.asarray(image)
  image = image[..., None] if image.ndim == 2 else image
  c = image.shape[-1]
  bands = tuple(bands) if bands and c > 1 else ((0, 1, 2) if c >= 3 else (0,))
  check_show(bands, range(c))
  part = image[..., list(bands)]
  return part if part.dtype == np.uint8 else _stretched(part)


def _stretched(image: np.ndarray) -> np.ndarray:
  h, w, _ = image.shape
  step = max(math.isqrt(h * w // _ENOUGH), 1)
  values = image.astype(np.float32)
  low, high = np.percentile(values[::step, ::step], (LOW, HIGH), axis=(0, 1))
  share = (values - low) / np.where(high > low, high - low, np.inf)
  return np.round(share.clip(0, 1) * 255).astype(np.uint8)
