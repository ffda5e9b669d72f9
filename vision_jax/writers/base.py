"""What makes files of predictions: the `Writer`."""

import pathlib
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

Row = Mapping[str, np.ndarray]  # one image's outputs


class Writer(Protocol):
  """Makes of one image's outputs an object, and files beside it."""

  def __call__(
    self, file: pathlib.Path, row: Row, name: str = ""
  ) -> dict[str, Any]:
    """Returns what `predictions.jsonl` tells of an image.

    Files beside it are called `name`, which no other image of the call has.
    """

  def close(self) -> None:
    """Writes what is of all images together."""
