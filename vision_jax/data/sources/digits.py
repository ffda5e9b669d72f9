"""scikit-learn's bundled handwritten digits: real data without a download."""

from collections.abc import Mapping

import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.data.sources.arrays import ArraySource
from vision_jax.data.subsets import stratified
from vision_jax.errors import UserError

TEST = 360
CLASS_NAMES = tuple("0123456789")


class Digits(ArraySource):
  """1,797 digits, 8x8x1, split for good into 1,437 to train and 360 to test.

  The split is stratified by class. Pixels 0..16 are scaled to 0..255.

  Args:
    split: "train" or "test".
  """

  def __init__(self, split: str):
    if split not in ("train", "test"):
      raise DataError(f"digits: got split {split!r}; expected train or test.")
    super().__init__({}, 10, CLASS_NAMES)
    self.split = split

  def load(self) -> Mapping[str, np.ndarray]:
    """Reads scikit-learn's file."""
    from sklearn.datasets import load_digits  # half a second to import

    digits = load_digits()
    train, test = stratified(digits.target, TEST, seed=0)
    rows = train if self.split == "train" else test
    image = np.round(digits.images[rows, :, :, None] * (255 / 16))
    return {
      "image": image.astype(np.uint8),
      "label": digits.target[rows].astype(np.int32),
    }


class EnlargedDigits(ArraySource):
  """The digits, enlarged by a whole factor and framed in black.

  They stand in for another data set of the same shape.

  Args:
    split: "train" or "test".
    size: height and width, at least 8.
    channels: copies of the grey values.

  Raises:
    UserError: for a smaller size.
  """

  def __init__(self, split: str, size: int, channels: int):
    super().__init__({}, 10, CLASS_NAMES)
    self._split, self._size, self._channels = split, size, channels

  def load(self) -> Mapping[str, np.ndarray]:
    """Returns `image` (n, size, size, channels) and `label` (n,)."""
    if self._size < 8:
      raise UserError(
        f"--config.image_size: got {self._size}; expected 8 or more for digits."
      )
    arrays = Digits(self._split).arrays
    factor = self._size // 8
    image = arrays["image"].repeat(factor, 1).repeat(factor, 2)
    before = (self._size - 8 * factor) // 2
    frame = (before, self._size - 8 * factor - before)
    image = np.pad(image, ((0, 0), frame, frame, (0, 0)))
    image = image.repeat(self._channels, 3)
    return {"image": image, "label": arrays["label"]}
