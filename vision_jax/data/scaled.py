"""A source whose images are there at several sizes."""

import fractions
from collections.abc import Sequence

import numpy as np

from vision_jax.data.bicubic import imresize
from vision_jax.data.errors import DataError
from vision_jax.data.pickled import AsMade
from vision_jax.data.source import (
  Example,
  OfSource,
  ReadSource,
  read,
  short_hash,
)
from vision_jax.data.transforms.image import decoded


class Scaled(OfSource, AsMade):
  """Each image of a source at each scale, one scale after the other.

  By MATLAB's bicubic, as FSRCNN's authors augment T91: every size of an image
  has edges and textures of its own. An image is never made smaller than
  `least` on its shorter side; one that is smaller stays as it is.

  Args:
    source: examples with a decoded `image`.
    scales: of the images' sides, above 0 and at most 1.
    least: pixels.

  Raises:
    DataError: for scales out of their range, or none.
  """

  def __init__(
    self, source: ReadSource, scales: Sequence[float], least: int = 1
  ):
    if not scales or not all(0 < scale <= 1 for scale in scales):
      raise DataError(
        f"scales: got {tuple(scales)}; expected one or more above 0 and at "
        "most 1, such as 1.0, 0.8."
      )
    self.source, self.scales, self.least = source, tuple(scales), least

  def __len__(self) -> int:
    return len(self.source) * len(self.scales)

  def read(self, indices: np.ndarray) -> list[Example]:
    """Returns the examples at `indices`."""
    return [self._read(*divmod(int(i), len(self.source))) for i in indices]

  def fingerprint(self) -> str:
    """Returns a hash of the source's and of the scales."""
    return short_hash(self.source.fingerprint(), self.scales, self.least)

  def _read(self, number: int, i: int) -> Example:
    (example,) = read(self.source, np.array([i]))
    image = decoded(example, "Scaled")
    shorter = min(image.shape[:2])
    scale = max(self.scales[number], min(self.least / shorter, 1))
    if scale == 1:
      return example
    ratio = fractions.Fraction(scale).limit_denominator(1000)
    return example | {"image": imresize(image, ratio)}
