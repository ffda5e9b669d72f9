"""Prepared TFDS sets with labels, whose classes one may name anew."""

import functools
import os
from collections.abc import Sequence

import numpy as np

from vision_jax.data.errors import DataError, some
from vision_jax.data.sources.tfds import TfdsSource

_ROWS = 1024  # read at a time


class TfdsLabelled(TfdsSource):
  """A split of a TFDS set with `image` and `label`.

  Args:
    name, split, data_dir: as for `TfdsSource`.
    class_names: the set's own, in its order; () takes them.

  Raises:
    DataError: for others.
  """

  def __init__(
    self,
    name: str,
    split: str,
    data_dir: str | os.PathLike[str] | None = None,
    class_names: Sequence[str] = (),
  ):
    super().__init__(name, split, data_dir)
    self._given = tuple(class_names)

  @property
  def class_names(self) -> tuple[str, ...]:
    """The set's."""
    theirs = super().class_names
    if self._given and theirs and self._given != theirs:
      raise DataError(
        f"tfds set {self.name}: got class_names {some(self._given)}; expected "
        f"the set's own, {some(theirs)}. Leave --config.class_names out."
      )
    return theirs or self._given

  def paths(self) -> list[str]:
    """Returns each example's number: a set that is prepared has no names."""
    return [str(i) for i in range(len(self))]

  def labels(self) -> np.ndarray:
    """Returns all labels (n,); reads every record once, images with them."""
    return self._labels

  @functools.cached_property
  def _labels(self) -> np.ndarray:
    starts = range(0, len(self), _ROWS)
    parts = [np.arange(i, min(i + _ROWS, len(self))) for i in starts]
    rows = [row["label"] for part in parts for row in self.read(part)]
    return np.array(rows, np.int32)
