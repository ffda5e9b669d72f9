"""The likelihood of a data set, bounded from below."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, ClassVar

import jax.numpy as jnp

from vision_jax.core.types import Array, Batch
from vision_jax.metrics.generation_extractor import check_range, outside

Measured = tuple[dict[str, Array], dict[str, Array]]


@dataclasses.dataclass(frozen=True)
class ImportanceBound:
  """Means over images of an output `log_likelihood` (b,), in nats.

  Named by the samples: `nll_k5000` in nats an image, and
  `bits_per_dim_k5000`, per value, of probabilities of the pixels' levels.

  Attributes:
    samples: k of the bound.
    bits_offset: added to the bits per value: 8 for a density of pixels in
      [0, 1] that have 256 levels and uniform noise; None gives no bits.
    value_range: (lowest, highest) value of the data's pixels.
  """

  samples: int
  bits_offset: float | None = 0.0
  value_range: tuple[float, float] = (0.0, 1.0)
  state: ClassVar[Any] = None

  @property
  def names(self) -> tuple[str, ...]:
    """Names of the metrics that `result` may give."""
    return (f"nll_k{self.samples}", f"bits_per_dim_k{self.samples}")

  def measure(self, state: Any, out: Any, batch: Batch) -> Measured:
    """Sums the log-likelihoods and the mask."""
    del state
    mask, image = batch["mask"].astype(jnp.float32), batch["image"]
    kept = jnp.where(mask > 0, out["log_likelihood"] * mask, 0)
    return {
      "log_likelihood": jnp.sum(kept),
      "count": jnp.sum(mask),
      "values": jnp.sum(mask) * image[0].size,
      "outside_real": outside(image, mask, self),
    }, {}

  def result(
    self, sums: Mapping[str, Any], rows: Mapping[str, Any]
  ) -> dict[str, float]:
    """Divides by the images, and by the values.

    Raises:
      ValueError: if pixels are outside the range.
    """
    del rows
    check_range(sums, self)
    nats, k = -float(sums["log_likelihood"]), self.samples
    metrics = {f"nll_k{k}": nats / float(sums["count"])}
    if self.bits_offset is not None:
      bits = nats / math.log(2) / float(sums["values"])
      metrics[f"bits_per_dim_k{k}"] = bits + self.bits_offset
    return metrics
