"""Memory of accelerators, for what fits them."""

import dataclasses

from benchmarks.speed.peaks import GOOGLE, NVIDIA

GB = 10**9
# What jax takes of a GPU by `tuning`; the rest is the driver's and libraries'.
SHARE = 0.9


@dataclasses.dataclass(frozen=True)
class Capacity:
  """A device's memory.

  Attributes:
    name: the name in a table.
    bytes: memory of one jax device.
    source: where it is published.
  """

  name: str
  bytes: int
  source: str


CAPACITIES = (
  Capacity("V100 16 GB", 16 * GB, NVIDIA + "v100/"),
  Capacity("TPU v5e 16 GB", 16 * GB, GOOGLE + "v5e"),
  Capacity("TPU v4 32 GB", 32 * GB, GOOGLE + "v4"),
  Capacity("TPU v6e 32 GB", 32 * GB, GOOGLE + "v6e"),
  Capacity("A100 40 GB", 40 * GB, NVIDIA + "a100/"),
  Capacity("H100 80 GB", 80 * GB, NVIDIA + "h100/"),
  Capacity("TPU v5p 95 GB", 95 * GB, GOOGLE + "v5p"),
  Capacity("H200 141 GB", 141 * GB, NVIDIA + "h200/"),
)


def smallest(peak: int) -> str:
  """Returns the smallest device that holds so many bytes; "" for none."""
  for capacity in CAPACITIES:
    if peak <= SHARE * capacity.bytes:
      return capacity.name
  return ""
