"""Whether features differ from image to image."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np

from vision_jax.core.types import Array, Batch


@dataclasses.dataclass(frozen=True)
class Spread:
  """`spread`: standard deviation of features of length 1, times sqrt(d).

  The mean over features of the deviation over examples: 1 where they are spread
  over all of the sphere, 0 where all images have the same: then they have
  collapsed (Chen & He, 2021, section 4.1). `out` has them by `name` (b, d).

  Attributes:
    name: of what is measured.
  """

  name: str = "features"
  state: ClassVar[Any] = None
  names: ClassVar[tuple[str, ...]] = ("spread",)

  def measure(
    self, state: Any, out: Mapping[str, Array], batch: Batch
  ) -> tuple[dict[str, Array], dict[str, Array]]:
    """Adds up features, their squares and the examples."""
    del state
    x = out[self.name].astype(jnp.float32)
    length = jnp.linalg.norm(x, axis=-1, keepdims=True)
    x = x / jnp.maximum(length, 1e-12)
    x = jnp.where(batch["mask"][:, None] > 0, x, 0)
    sums = {"sum": jnp.sum(x, 0), "square": jnp.sum(x * x, 0)}
    return sums | {"count": jnp.sum(batch["mask"])}, {}

  def result(self, sums: Mapping, rows: Mapping) -> dict[str, float]:
    """Returns the deviation."""
    del rows
    mean = np.asarray(sums["sum"], np.float64) / sums["count"]
    square = np.asarray(sums["square"], np.float64) / sums["count"]
    deviation = np.sqrt(np.maximum(square - mean**2, 0))
    return {"spread": float(deviation.mean() * np.sqrt(len(mean)))}
