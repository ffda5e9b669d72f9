"""scikit-learn's bundled handwritten digits: real data without a download."""

from collections.abc import Mapping

import numpy as np

from vision_jax.data.arrays import ArraySource
from vision_jax.data.errors import DataError
from vision_jax.data.subsets import stratified

TEST = 360


class Digits(ArraySource):
  """1,797 digits, 8x8x1, split for good into 1,437 to train and 360 to test.

  The split is stratified by class. Pixels 0..16 are scaled to 0..255.

  Args:
    split: "train" or "test".
  """

  def __init__(self, split: str):
    if split not in ("train", "test"):
      raise DataError(f"digits: got split {split!r}; expected train or test.")
    super().__init__({}, 10, tuple("0123456789"))
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
