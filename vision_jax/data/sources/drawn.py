"""Generated images of figures: a split, a number, a size and a seed."""

import abc
from typing import ClassVar

import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.data.order import check_seed
from vision_jax.data.pickled import AsMade
from vision_jax.data.source import Example, short_hash

SPLITS = ("train", "val", "test")


class Drawn(AsMade, abc.ABC):
  """Images of figures that `_image` draws, pure in (seed, split, i).

  Args:
    split: "train", "val" or "test".
    length: number of images.
    size: height and width, in pixels.
    most: figures in an image, at most.
    seed: seed of all images.

  Raises:
    DataError: for another split, or a number that is too small.
  """

  objects: ClassVar[str]  # what they are, in messages
  least: ClassVar[int]  # sides of an image, in pixels, at least
  version: ClassVar[int] = 1  # of the drawing, part of the fingerprint

  def __init__(
    self,
    split: str,
    length: int,
    *,
    size: int = 64,
    most: int,
    seed: int = 0,
  ):
    if split not in SPLITS:
      raise DataError(
        f"{self.objects}: got split {split!r}; expected {SPLITS}."
      )
    if size < self.least or most < 1 or length < 1:
      raise DataError(
        f"{self.objects}: got size {size}, most {most} and length {length}; "
        f"expected a size of at least {self.least}, and at least 1 of the "
        "others."
      )
    check_seed(seed)
    self.split, self.length, self.size = split, length, size
    self.most, self.seed = most, seed

  def __len__(self) -> int:
    return self.length

  def fingerprint(self) -> str:
    """Returns a hash of what defines the images."""
    what = (self.split, self.length, self.size, self.most, self.seed)
    return short_hash(self.version, *what)

  def read(self, indices: np.ndarray) -> list[Example]:
    """Returns the images at `indices`."""
    draw = lambda i: np.random.default_rng(
      (self.seed, SPLITS.index(self.split), i)
    )
    return [
      self._image(draw(i), f"{self.objects} {self.split} [{i}]")
      for i in map(int, indices)
    ]

  @abc.abstractmethod
  def _image(self, rng: np.random.Generator, name: str) -> Example:
    """Draws an example of this name."""
