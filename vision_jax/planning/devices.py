"""Accelerators: their arithmetic rates and memories, as published."""

import dataclasses
import difflib

from vision_jax.errors import UserError

NVIDIA = "https://www.nvidia.com/en-us/data-center/"
GOOGLE = "https://cloud.google.com/tpu/docs/"
GB = 10**9
# What jax takes of a GPU by `tuning`; the rest is the driver's and libraries'.
SHARE = 0.9


@dataclasses.dataclass(frozen=True)
class Device:
  """One jax device.

  Attributes:
    name: the name in a flag; several that differ in memory share a kind.
    title: the name in a table, with its memory.
    kind: start of jax's `device_kind`.
    flops: dense bf16 matrix operations a second; fp16 where it has no bf16.
    bytes: its memory.
    source: where both are published.
  """

  name: str
  title: str
  kind: str
  flops: float
  bytes: int
  source: str


# Dense rates: NVIDIA's data sheets print Hopper's with 2:4 sparsity, twice as
# much. A jax device of TPU v2 and v3 is one of a chip's two cores. Longer
# kinds stand before their prefixes.
DEVICES = tuple(
  Device(*words)
  for words in (
    ("a100", "A100 40 GB", "NVIDIA A100", 312e12, 40 * GB, NVIDIA + "a100/"),
    ("a100_80", "A100 80 GB", "NVIDIA A100", 312e12, 80 * GB, NVIDIA + "a100/"),
    (
      *("h100_pcie", "H100 PCIe 80 GB", "NVIDIA H100 PCIe"),
      *(756e12, 80 * GB, NVIDIA + "h100/"),
    ),
    (
      *("h100", "H100 80 GB", "NVIDIA H100 80GB HBM3"),
      *(989e12, 80 * GB, NVIDIA + "h100/"),
    ),
    (
      *("h200_nvl", "H200 NVL 141 GB", "NVIDIA H200 NVL"),
      *(835e12, 141 * GB, NVIDIA + "h200/"),
    ),
    ("h200", "H200 141 GB", "NVIDIA H200", 989e12, 141 * GB, NVIDIA + "h200/"),
    (
      *("v100", "V100 16 GB", "Tesla V100-SXM2"),
      *(125e12, 16 * GB, NVIDIA + "v100/"),
    ),
    ("v2", "TPU v2 8 GB", "TPU v2", 46e12 / 2, 8 * GB, GOOGLE + "v2"),
    ("v3", "TPU v3 16 GB", "TPU v3", 123e12 / 2, 16 * GB, GOOGLE + "v3"),
    ("v4", "TPU v4 32 GB", "TPU v4", 275e12, 32 * GB, GOOGLE + "v4"),
    ("v5e", "TPU v5e 16 GB", "TPU v5 lite", 197e12, 16 * GB, GOOGLE + "v5e"),
    ("v5p", "TPU v5p 95 GB", "TPU v5", 459e12, 95 * GB, GOOGLE + "v5p"),
    ("v6e", "TPU v6e 32 GB", "TPU v6 lite", 918e12, 32 * GB, GOOGLE + "v6e"),
  )
)
# Those that `smallest` looks at, by their memory.
COMMON = sorted(
  (
    device
    for device in DEVICES
    if device.name
    in ("v100", "v5e", "v4", "v6e", "a100", "h100", "v5p", "h200")
  ),
  key=lambda device: device.bytes,
)


def device_named(name: str) -> Device:
  """Returns the device that a flag names.

  Raises:
    UserError: for an unknown one, with the nearest.
  """
  known = {device.name: device for device in DEVICES}
  if name not in known:
    near = difflib.get_close_matches(name, known, 1, 0.0)[0]
    raise UserError(
      f"--device: got {name!r}; expected one of {', '.join(known)}, such as "
      f"{near!r}; without the flag memory and rate of none are compared."
    )
  return known[name]


def smallest(peak: int) -> str:
  """Returns the smallest of COMMON that holds so many bytes; "" for none."""
  for device in COMMON:
    if peak <= SHARE * device.bytes:
      return device.title
  return ""


def peak_flops(kind: str) -> float | None:
  """Returns the rate of a jax `device_kind`; None where it is not known."""
  for device in DEVICES:
    if kind.startswith(device.kind):
      return device.flops
  return None


def utilisation(
  flops_per_step: float | None, step_ms: float | None, kind: str, devices: int
) -> float | None:
  """Returns the share of the devices' peak that a step uses, or None.

  `flops_per_step` are those of all devices together, `step_ms` the median.
  None where any of it is unknown: a guessed peak would make up a number.
  """
  peak = peak_flops(kind)
  if not (peak and flops_per_step and step_ms):
    return None
  return flops_per_step / (step_ms * 1e-3) / (peak * devices)
