"""Depth from one image."""

import dataclasses

import flax.linen as nn
import jax.numpy as jnp

from vision_jax.core.types import Array, Batch, Mean, Nets, Objective, Terms
from vision_jax.errors import UserError
from vision_jax.losses.depth import scale_invariant_log
from vision_jax.tasks.net import NET, OneNet

LOSS = "scale_invariant"
_LARGEST = 20.0  # of a logarithm: depth stays finite


@dataclasses.dataclass(frozen=True)
class Depth(OneNet):
  """A depth for each pixel, from a net of its logarithm.

  A batch has `image` (b, h, w, c), `depth` (b, h, w), of which pixels that are
  not finite or not above 0 do not count, and `mask` (b,).

  Attributes:
    model: (image, *, train, mask) -> (b, h, w, 1), the logarithm of depth over
      `typical`.
    typical: the depth that 0 stands for, in the unit of `depth`.
    balance: of the loss, see `scale_invariant_log`.
  """

  model: nn.Module
  typical: float = 1.0
  balance: float = 0.5

  def __post_init__(self):
    if not self.typical > 0 or not 0 <= self.balance <= 1:
      raise UserError(
        f"Depth: got typical={self.typical} and balance={self.balance}; "
        "expected a depth above 0, and a balance in [0, 1]."
      )

  @property
  def objectives(self) -> tuple[Objective, ...]:
    """The loss, which the one net descends."""
    return (Objective(NET, self._loss, {LOSS: 1.0}),)

  def predict(
    self, params: Nets, stats: Nets, batch: Batch, key: Array
  ) -> dict[str, Array]:
    """Returns `depth` (b, h, w) float32, above 0, in the truth's unit."""
    del key
    image = batch["image"]
    out = self._map(self.net.given(params, stats)(image, train=False), image)
    return {"depth": jnp.exp(jnp.clip(out, -_LARGEST, _LARGEST))}

  def _loss(self, params, stats, batch, key, *, step, train) -> Terms:
    image, mask = batch["image"], batch["mask"]
    out, stats = self.net.run(
      params, stats, image, key=key, train=train, mask=mask
    )
    out = self._map(out, image)
    values, known = scale_invariant_log(out, batch["depth"], self.balance)
    return {LOSS: Mean.of(values, mask * known)}, stats

  def _map(self, out: Array, image: Array) -> Array:
    """Returns the logarithm of depth, (b, h, w)."""
    if out.shape != (*image.shape[:3], 1):
      raise UserError(
        f"Depth: the net gives {out.shape} for images {image.shape}; expected "
        "one number for each pixel, (b, h, w, 1)."
      )
    return out[..., 0].astype(jnp.float32) + jnp.log(jnp.float32(self.typical))
