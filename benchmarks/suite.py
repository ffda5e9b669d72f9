"""Every suite of benchmark rows.

Adding a row to a file in `suites` is all that a new benchmark needs.
"""

from types import MappingProxyType

from benchmarks.row import Row
from benchmarks.suites import (
  classification,
  detection,
  generation,
  segmentation,
)

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
    "ade20k": segmentation.ADE20K,
    "ladder": detection.LADDER,
    "bccd": detection.BCCD,
    "coco": detection.COCO,
  }
)


def suite_of(row: Row) -> str:
  """Returns the name of the suite that has a row of this name."""
  names = {row.name: suite for suite, rows in SUITES.items() for row in rows}
  return names[row.name]
