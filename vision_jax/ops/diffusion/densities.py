"""Which times of a path are trained at."""

import dataclasses

import jax
import jax.numpy as jnp

from vision_jax.core.checks import check_name
from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.ops.diffusion.paths import Path

DENSITIES = ("uniform", "normal")


@dataclasses.dataclass(frozen=True)
class Density:
  """Which times are trained at.

  Attributes:
    name: "uniform" in t, or "normal" in the logarithm of sigma / alpha: EDM's,
      and on the rectified path the logit-normal of
      https://arxiv.org/abs/2403.03206.
    mean: of the logarithm of sigma / alpha, of "normal".
    deviation: likewise.
  """

  name: str = "uniform"
  mean: float = 0.0
  deviation: float = 1.0

  def __post_init__(self):
    check_name("density", self.name, DENSITIES)
    if not self.deviation > 0:
      raise UserError(
        f"density: got a deviation of {self.deviation}; expected more than 0."
      )

  def times(self, path: Path, shares: Array) -> Array:
    """Returns the times (b,) that lie at `shares` (b,) of the density."""
    if self.name == "uniform":
      return shares
    # Half a step of float32's shares, so that neither end is infinite.
    inside = jnp.clip(shares, 2.0**-25, 1 - 2.0**-24)
    normal = jax.scipy.special.ndtri(inside)
    ratio = jnp.exp(self.mean + self.deviation * normal)
    return jnp.clip(path.time(ratio), 0.0, 1.0)


UNIFORM = Density()
