"""scikit-learn's digits with what they become, which is known exactly."""

from collections.abc import Mapping

import cv2
import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.data.sources.arrays import ArraySource
from vision_jax.data.sources.digits import Digits
from vision_jax.data.styles import edges

# What black and white become.
_PAPER, _INK = np.array([250, 225, 170]), np.array([30, 60, 140])
_LEAST = 16  # pixels, of which edges can be seen


def _from_edges(digit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  return edges(digit), digit


def _coloured(digit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  share = digit / np.float32(255)
  return digit, np.round(_PAPER + share * (_INK - _PAPER)).astype(np.uint8)


# What an image is, and what is wanted of it -> of a digit, (h, w, 3) uint8.
KINDS = {"edges": _from_edges, "coloured": _coloured}


class DigitPairs(ArraySource):
  """`image` and `wanted` (n, size, size, 3) of the digits, smoothly enlarged.

  Of "edges" the images are the edges of the digits, black on white, and the
  digits are wanted, white on black; of "coloured" the digits are the images,
  and blue ones on yellowish paper are wanted.

  Args:
    kind: one of `KINDS`.
    split: "train" or "test".
    size: height and width.
    backward: whether both are exchanged.

  Raises:
    DataError: for another kind, or a smaller size.
  """

  def __init__(
    self, kind: str, split: str, size: int, *, backward: bool = False
  ):
    if kind not in KINDS or size < _LEAST:
      raise DataError(
        f"digit pairs: got kind {kind!r} and size {size}; expected one of "
        f"{', '.join(KINDS)}, and {_LEAST} pixels or more."
      )
    super().__init__({})
    self.kind, self.split, self.size = kind, split, size
    self.backward = backward

  def load(self) -> Mapping[str, np.ndarray]:
    """Draws all pairs."""
    digits = Digits(self.split).arrays["image"]
    pairs = [KINDS[self.kind](self._enlarged(x)) for x in digits]
    image, wanted = (np.stack(x) for x in zip(*pairs, strict=True))
    if self.backward:
      image, wanted = wanted, image
    return {"image": image, "wanted": wanted}

  def _enlarged(self, digit: np.ndarray) -> np.ndarray:
    """Returns (8, 8, 1) as (size, size, 3)."""
    size = (self.size, self.size)
    large = cv2.resize(digit[..., 0], size, interpolation=cv2.INTER_CUBIC)
    return np.repeat(large[..., None], 3, -1)
