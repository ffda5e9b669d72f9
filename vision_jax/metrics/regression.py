"""How near predicted numbers are, and whether a mixture knows how near.

`out` has `number` (b, t) and the batch the truth of that name and `mask` (b,).
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from vision_jax.core.types import Array, Batch
from vision_jax.errors import UserError

Measured = tuple[dict[str, Array], dict[str, Array]]
_KINDS = ("mae", "rmse", "r2")


@dataclasses.dataclass(frozen=True)
class NumberErrors:
  """Mean absolute error, root of the mean squared one, and R², in float64.

  R² is 1 - squared errors over those of the data set's own mean: 0 is no better
  than that; of a number that is the same everywhere there is none. Of several
  numbers the mean over them, and each one's own as `mae/NAME`.

  Attributes:
    number_names: the numbers' names.
  """

  number_names: Sequence[str]
  state: ClassVar[Any] = None

  @property
  def names(self) -> tuple[str, ...]:
    """Names of the metrics that `result` may give."""
    own = self.number_names if len(self.number_names) > 1 else ()
    return (*_KINDS, *(f"{kind}/{name}" for kind in _KINDS for name in own))

  def measure(self, state: Any, out: Any, batch: Batch) -> Measured:
    """Returns both as rows (b, t)."""
    del state
    shapes = out["number"].shape, batch["number"].shape
    if shapes[0] != shapes[1] or shapes[0][1] != len(self.number_names):
      raise UserError(
        f"number: got {shapes[0]}, and {shapes[1]} in the batch; expected one "
        f"for each of {', '.join(self.number_names)} in both."
      )
    return {}, {"found": out["number"], "truth": batch["number"]}

  def result(self, sums: Mapping, rows: Mapping) -> dict[str, float]:
    """Compares them."""
    del sums
    found, truth = (np.float64(rows[key]) for key in ("found", "truth"))
    error = found - truth
    squares = (error**2).mean(0)
    variance = truth.var(0)
    varies = np.ptp(truth, 0) > 0
    r2 = 1 - squares / np.where(varies, variance, 1)
    every = np.full(len(varies), True)
    each = {
      "mae": (np.abs(error).mean(0), every),
      "rmse": (np.sqrt(squares), every),
      "r2": (r2, varies),
    }
    metrics = {}
    for kind, (values, known) in each.items():
      if known.any():
        metrics[kind] = float(values[known].mean())
      if len(known) > 1:
        metrics |= {
          f"{kind}/{self.number_names[i]}": float(values[i])
          for i in np.flatnonzero(known)
        }
    return metrics


@dataclasses.dataclass(frozen=True)
class MixtureCalibration:
  """Whether what a mixture takes to be likely happens as often as it says.

  Of each number the place of the truth in its distribution, the probability of
  less, is uniform where the distribution is right. `calibration` is the mean
  distance of how often it lies below 0.05, 0.15, ..., 0.95 from these (Kuleshov
  et al., 2018, with absolute values), 0 at best; `coverage90` how often it lies
  within 0.05 and 0.95; `nll` minus the log-density, in nats, of the numbers in
  their own unit.
  """

  levels: ClassVar[np.ndarray] = np.linspace(0.05, 0.95, 10)
  names: ClassVar[tuple[str, ...]] = ("calibration", "coverage90", "nll")
  state: ClassVar[Any] = None

  def measure(self, state: Any, out: Any, batch: Batch) -> Measured:
    """Returns the places (b, t) and the log-densities (b,) as rows."""
    del state
    z = (batch["number"][:, None] - out["mean"]) / out["sd"]
    below = jnp.sum(out["weight"][..., None] * jax.scipy.stats.norm.cdf(z), 1)
    log_prob = jax.scipy.stats.norm.logpdf(z) - jnp.log(out["sd"])
    log_weight = jnp.log(jnp.maximum(out["weight"], jnp.finfo(z.dtype).tiny))
    whole = jax.nn.logsumexp(log_weight + log_prob.sum(-1), axis=1)
    return {}, {"below": below, "log_prob": whole}

  def result(self, sums: Mapping, rows: Mapping) -> dict[str, float]:
    """Counts them by level."""
    del sums
    below = np.float64(rows["below"]).reshape(-1, 1)
    gaps = np.abs((below <= self.levels).mean(0) - self.levels)
    within = (below > self.levels[0]) & (below <= self.levels[-1])
    return {
      "calibration": float(gaps.mean()),
      "coverage90": float(within.mean()),
      "nll": -float(np.float64(rows["log_prob"]).mean()),
    }
