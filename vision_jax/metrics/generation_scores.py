"""Metrics of generated images that are means over examples."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import jax.numpy as jnp

from vision_jax.core.types import Array, Batch
from vision_jax.metrics.generation_extractor import (
  Extractor,
  check_range,
  outside,
)

Measured = tuple[dict[str, Array], dict[str, Array]]


@dataclasses.dataclass(frozen=True, eq=False)
class Recognised:
  """Share of generated images that a classifier takes for their label.

  `recognised` is of the generated images, `recognised_real` of the real ones:
  what is the most that can be expected.

  Attributes:
    classifier: an extractor with logits, trained apart from the generator.
  """

  classifier: Extractor

  @property
  def state(self) -> dict[str, Any]:
    """The classifier's weights."""
    return self.classifier.state

  @property
  def names(self) -> tuple[str, ...]:
    """Names of the metrics that `result` may give."""
    return ("recognised", "recognised_real")

  def measure(self, state: Any, out: Any, batch: Batch) -> Measured:
    """Sums the hits on both sets, and the mask."""
    mask = batch["mask"].astype(jnp.float32)
    sums = {"count": jnp.sum(mask)}
    for name, image in (("fake", out["image"]), ("real", batch["image"])):
      logits = self.classifier.apply(state["weights"], image)["logits"]
      hit = jnp.argmax(logits, -1) == batch["label"]
      sums[name] = jnp.sum(mask * hit)
      sums[f"outside_{name}"] = outside(image, mask, self.classifier)
    return sums, {}

  def result(
    self, sums: Mapping[str, Any], rows: Mapping[str, Any]
  ) -> dict[str, float]:
    """Divides by the number of images."""
    del rows
    check_range(sums, self.classifier)
    count = float(sums["count"])
    return {
      "recognised": float(sums["fake"]) / count,
      "recognised_real": float(sums["real"]) / count,
    }


@dataclasses.dataclass(frozen=True)
class MeanOf:
  """The mean over examples of outputs (b,), under their own names.

  Attributes:
    names: names of the outputs, such as ("bits_per_dim",).
    value_range: (lowest, highest) value of the real images' pixels, checked
      where it is given.
  """

  names: Sequence[str] = ("bits_per_dim",)
  value_range: tuple[float, float] | None = None
  state: ClassVar[Any] = None

  def measure(self, state: Any, out: Any, batch: Batch) -> Measured:
    """Sums the outputs and the mask."""
    del state
    mask = batch["mask"].astype(jnp.float32)
    add = lambda x: jnp.sum(jnp.where(mask > 0, x * mask, 0))
    sums = {name: add(out[name]) for name in self.names}
    if self.value_range is not None:
      sums["outside_real"] = outside(batch["image"], mask, self)
    return sums | {"count": jnp.sum(mask)}, {}

  def result(
    self, sums: Mapping[str, Any], rows: Mapping[str, Any]
  ) -> dict[str, float]:
    """Divides by the number of examples."""
    del rows
    check_range(sums, self)
    return {k: float(sums[k]) / float(sums["count"]) for k in self.names}
