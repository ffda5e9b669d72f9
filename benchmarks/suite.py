"""Every suite of benchmark rows.

Adding a row to a file in `suites` is all that a new benchmark needs.
"""

import difflib
from types import MappingProxyType

from benchmarks.row import Row
from benchmarks.suites import (
  classification,
  detection,
  generation,
  segmentation,
)
from vision_jax.errors import UserError

SUITES = MappingProxyType(
  {
    "quick": (
      *classification.QUICK,
      *segmentation.QUICK,
      *detection.QUICK,
      *generation.QUICK,
    ),
    "mnist": classification.MNIST,
    "mnist_generation": generation.MNIST,
    "cifar10": classification.CIFAR10,
    "cifar10_generation": generation.CIFAR10,
    "imagenet": classification.IMAGENET,
    "camvid": segmentation.CAMVID,
    "ladder": detection.LADDER,
    "bccd": detection.BCCD,
    "coco": detection.COCO,
  }
)


_ROWS = {row.name: row for rows in SUITES.values() for row in rows}
_PLACES = {row.name: suite for suite, rows in SUITES.items() for row in rows}


def suite_of(row: Row) -> str:
  """Returns the name of the suite that has a row of this name."""
  return _PLACES[row.name]


def row_named(name: str) -> Row:
  """Returns the row of this name.

  Raises:
    UserError: there is none.
  """
  if name not in _ROWS:
    near = difflib.get_close_matches(name, _ROWS, 1, cutoff=0.0)
    raise UserError(f"row is {name!r:.100}, of no suite; is it {near[0]!r}?")
  return _ROWS[name]
