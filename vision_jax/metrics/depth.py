"""How near predicted depth is, as depth from one image is measured."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import jax.numpy as jnp

from vision_jax.core.types import Array, Batch, Mean
from vision_jax.errors import UserError
from vision_jax.ops.depth import known_depth

STEP = 1.25  # of delta


@dataclasses.dataclass(frozen=True)
class DepthErrors:
  """Errors of depth as in Eigen et al. (2014), of each image, then their mean.

  `out` has `depth` (b, h, w), above 0, and the batch the truth of that name and
  `mask` (b,). Pixels without a depth, see `known_depth`, do not count, nor do
  images without any. With a the prediction and b the truth:

  abs_rel: mean of |a - b| / b.
  rmse: root of the mean of (a - b)², in the truth's unit.
  rmse_log, log10: root of the mean of (ln a - ln b)², mean of
    |log10 a - log10 b|.
  delta1, delta2, delta3: part of the pixels whose ratio, max(a / b, b / a), is
    below 1.25, 1.25², 1.25³.
  """

  names: ClassVar[tuple[str, ...]] = (
    *("abs_rel", "rmse", "rmse_log", "log10", "delta1", "delta2", "delta3"),
  )
  state: ClassVar[Any] = None

  def measure(
    self, state: Any, out: Any, batch: Batch
  ) -> tuple[dict[str, Array], dict[str, Array]]:
    """Sums each over images."""
    del state
    found, truth = out["depth"], batch["depth"]
    known = known_depth(truth, found)
    found, truth = (jnp.where(known, x, 1) for x in (found, truth))
    number = jnp.sum(known, (1, 2), dtype=jnp.float32)
    mean = lambda x: (
      jnp.sum(jnp.where(known, x, 0), (1, 2)) / jnp.maximum(number, 1)
    )
    log = jnp.log(found) - jnp.log(truth)
    each = {
      "abs_rel": mean(jnp.abs(found - truth) / truth),
      "rmse": jnp.sqrt(mean((found - truth) ** 2)),
      "rmse_log": jnp.sqrt(mean(log**2)),
      "log10": mean(jnp.abs(log)) / jnp.log(10.0),
    }
    for i in (1, 2, 3):
      near = jnp.maximum(found / truth, truth / found) < STEP**i
      each[f"delta{i}"] = mean(near.astype(jnp.float32))
    counts = batch["mask"] * (number > 0)
    return {name: Mean.of(x, counts) for name, x in each.items()}, {}

  def result(self, sums: Mapping, rows: Mapping) -> dict[str, float]:
    """Divides by the number of images.

    Raises:
      UserError: if none has a depth.
    """
    del rows
    if not sums["rmse"].count > 0:
      raise UserError(
        "depth: no pixel has one; expected values above 0, and finite. Check "
        "the maps, and their unit."
      )
    return {name: float(x.total / x.count) for name, x in sums.items()}
