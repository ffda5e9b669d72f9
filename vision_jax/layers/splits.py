"""Rules by which a net's layers are split over devices, as data."""

from collections.abc import Mapping
from typing import NamedTuple


class Split(NamedTuple):
  """How an array is split over the mesh's axis `model`.

  Attributes:
    axis: of the array.
    parts: how many there are of what stays whole; they lie along the axis.
    of: what they are, such as "heads".
  """

  axis: int
  parts: int
  of: str


Splits = Mapping[str, Split]  # pattern, found in an array's path -> how
