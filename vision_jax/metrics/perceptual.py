"""How far images are from what was wanted, by a trained net's maps: LPIPS."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from vision_jax.core.types import Array, Batch, Mean
from vision_jax.errors import UserError
from vision_jax.ops.perceptual import perceptual_distance


@dataclasses.dataclass(frozen=True, eq=False)
class LPIPS:
  """The mean of LPIPS over images (Zhang et al., arXiv 1801.03924).

  `out` has `restored` (b, h, w, c) and the batch `clean` of the same shape,
  both in [0, 1], and `mask` (b,). 0 is the same image.

  Attributes:
    apply: (variables, image (b, h, w, c) in [0, 1]) -> maps by name.
    load: () -> (variables, weights of channels (c,) by name of a map). Called
      once, on first use.
    least: pixels of a side that the net takes, at least.
  """

  apply: Callable[[Any, Array], Mapping[str, Array]]
  load: Callable[[], tuple[Any, Mapping[str, Array]]]
  least: int = 16
  names: ClassVar[tuple[str, ...]] = ("lpips",)

  @functools.cached_property
  def state(self) -> dict[str, Any]:
    """The net's variables and the weights of channels."""
    variables, weights = self.load()
    return {"net": variables, "weights": dict(weights)}

  def measure(
    self, state: Any, out: Any, batch: Batch
  ) -> tuple[dict[str, Array], dict[str, Array]]:
    """Sums the distances."""
    guess, truth = out["restored"], batch["clean"]
    if guess.shape != truth.shape or min(truth.shape[1:3]) < self.least:
      raise UserError(
        f"lpips: got images {guess.shape} and {truth.shape}; expected one "
        f"shape, and sides of {self.least} pixels at least."
      )
    maps = [self.apply(state["net"], image) for image in (guess, truth)]
    distance = perceptual_distance(*maps, state["weights"])
    return {"lpips": Mean.of(distance, batch["mask"])}, {}

  def result(
    self, sums: Mapping[str, Any], rows: Mapping[str, Any]
  ) -> dict[str, float]:
    """Divides by the number of images."""
    del rows
    mean = sums["lpips"]
    return {"lpips": float(mean.total / max(mean.count, 1))}
