"""The squares that images of any sizes are cut into."""

import functools

import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.data.pickled import AsMade
from vision_jax.data.source import Example, OfSource, ReadSource, short_hash

_CUT = ("image", "wanted")


class Patches(OfSource, AsMade):
  """Squares without overlap, of one image after the other, row by row.

  What is left at the right and below is not seen. `image` is cut, and `wanted`
  where there is one; the name tells the place.

  Args:
    source: examples of decoded images, each read once for all its squares and
      once more for each: best one that keeps them.
    size: side of a square.

  Raises:
    DataError: on first use, if no image is so large.
  """

  def __init__(self, source: ReadSource, size: int):
    self.source, self.size = source, size

  @functools.cached_property
  def places(self) -> list[tuple[int, int, int]]:
    """(image, top, left) of each square."""
    size, found = self.size, []
    for i in range(len(self.source)):
      (example,) = self.source.read(np.array([i]))
      h, w = example["image"].shape[:2]
      for top in range(0, h - size + 1, size):
        found += [(i, top, left) for left in range(0, w - size + 1, size)]
    if not found:
      raise DataError(
        f"patches: none of {len(self.source)} images has {size} x {size} "
        "pixels; expected one at least. Take smaller patches."
      )
    return found

  def __len__(self) -> int:
    return len(self.places)

  def read(self, indices: np.ndarray) -> list[Example]:
    """Returns the squares at `indices`."""
    return [self._cut(*self.places[i]) for i in indices]

  def fingerprint(self) -> str:
    """Returns a hash of the source's and of the size."""
    return short_hash(self.source.fingerprint(), self.size)

  def _cut(self, i: int, top: int, left: int) -> Example:
    (example,) = self.source.read(np.array([i]))
    rows, columns = slice(top, top + self.size), slice(left, left + self.size)
    parts = {k: example[k][rows, columns] for k in _CUT if k in example}
    name = f"{example.get('name', i)} [{top}, {left}]"
    return {**example, **parts, "name": name}
