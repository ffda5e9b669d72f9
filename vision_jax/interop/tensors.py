"""Tensors of a file, none of which is read before it is asked for."""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np


@dataclasses.dataclass(frozen=True)
class Tensor:
  """A tensor in a file.

  Attributes:
    shape: as the file has it.
    dtype: likewise; bfloat16 and others of `ml_dtypes` are among them.
    load: reads it, and returns an array of that shape and dtype.
  """

  shape: tuple[int, ...]
  dtype: np.dtype
  load: Callable[[], np.ndarray]

  @classmethod
  def of(cls, array: np.ndarray) -> "Tensor":
    """Returns a tensor that is in memory."""
    return cls(array.shape, array.dtype, lambda: array)


Tensors = Mapping[str, Tensor]  # by the file's names
