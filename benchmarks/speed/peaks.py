"""Peak arithmetic rates of accelerators, for the utilisation of a step."""

import dataclasses

NVIDIA = "https://www.nvidia.com/en-us/data-center/"
GOOGLE = "https://cloud.google.com/tpu/docs/"


@dataclasses.dataclass(frozen=True)
class Peak:
  """A device's dense bf16 matrix rate; fp16 where it has no bf16.

  Attributes:
    kind: start of jax's `device_kind`.
    flops: operations a second of one jax device.
    source: where the rate is published.
  """

  kind: str
  flops: float
  source: str


# Dense rates: NVIDIA's data sheets print Hopper's with 2:4 sparsity, twice as
# much. A jax device of TPU v2 and v3 is one of a chip's two cores. Longer
# names stand before their prefixes.
PEAKS = (
  Peak("NVIDIA A100", 312e12, NVIDIA + "a100/"),
  Peak("NVIDIA H100 PCIe", 756e12, NVIDIA + "h100/"),
  Peak("NVIDIA H100 80GB HBM3", 989e12, NVIDIA + "h100/"),
  Peak("NVIDIA H200 NVL", 835e12, NVIDIA + "h200/"),
  Peak("NVIDIA H200", 989e12, NVIDIA + "h200/"),
  Peak("Tesla V100-SXM2", 125e12, NVIDIA + "v100/"),
  Peak("TPU v2", 46e12 / 2, GOOGLE + "v2"),
  Peak("TPU v3", 123e12 / 2, GOOGLE + "v3"),
  Peak("TPU v4", 275e12, GOOGLE + "v4"),
  Peak("TPU v5 lite", 197e12, GOOGLE + "v5e"),
  Peak("TPU v5p", 459e12, GOOGLE + "v5p"),
  Peak("TPU v5", 459e12, GOOGLE + "v5p"),
  Peak("TPU v6 lite", 918e12, GOOGLE + "v6e"),
)


def peak_flops(kind: str) -> float | None:
  """Returns the peak of a jax `device_kind`; None where it is not known."""
  for peak in PEAKS:
    if kind.startswith(peak.kind):
      return peak.flops
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
