"""Regression: numbers of an image, or what is known of them."""

import dataclasses
from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp

from vision_jax.core.checks import check_name
from vision_jax.core.types import Array, Batch, Mean, Nets, Objective, Terms
from vision_jax.errors import UserError
from vision_jax.losses.regression import LOSSES, Mixture, huber
from vision_jax.tasks.net import NET, OneNet

MIXTURE = "mixture"


@dataclasses.dataclass(frozen=True)
class Regression(OneNet):
  """Maps images to t numbers each, which the net sees standardised.

  A batch has `image` (b, h, w, c), `number` (b, t) and `mask` (b,).

  Attributes:
    model: (image, *, train, mask) -> (b, t), or of a mixture (b, outputs).
    loss: "l1", "l2" or "huber"; "mixture" is minus the log-likelihood of a
      mixture of Gaussians, in nats of the standardised numbers.
    centre: what is taken from each number, (t,); as a rule train's mean.
    scale: what it is then divided by, (t,); as a rule train's deviation.
    components: of the mixture.
    delta: of huber, in deviations.
  """

  model: nn.Module
  loss: str = "l2"
  centre: Sequence[float] = (0.0,)
  scale: Sequence[float] = (1.0,)
  components: int = 5
  delta: float = 1.0

  def __post_init__(self):
    check_name("loss", self.loss, (*LOSSES, MIXTURE))
    if len(self.centre) != len(self.scale) or min(self.scale) <= 0:
      raise UserError(
        f"Regression: got centre {tuple(self.centre)} and scale "
        f"{tuple(self.scale)}; expected one of each for each number, and "
        "scales > 0. A number that is the same in all images cannot be learned."
      )

  @property
  def objectives(self) -> tuple[Objective, ...]:
    """The loss, which the one net descends."""
    return (Objective(NET, self._loss, {self.loss: 1.0}),)

  def predict(
    self, params: Nets, stats: Nets, batch: Batch, key: Array
  ) -> dict[str, Array]:
    """Returns `number` (b, t), of a mixture the expected ones.

    And of a mixture `weight` (b, m), `mean` and `sd` (b, m, t).
    """
    del key
    out = self.net.given(params, stats)(batch["image"], train=False)
    centre, scale = self._unit
    if self.loss != MIXTURE:
      return {"number": centre + scale * self._checked(out)}
    found = Mixture.of(self._checked(out), self.components)
    return {
      "number": centre + scale * found.expected(),
      "weight": jnp.exp(found.log_weight),
      "mean": centre + scale * found.mean,
      "sd": scale * jnp.exp(found.log_sd),
    }

  def _loss(self, params, stats, batch, key, *, step, train) -> Terms:
    mask = batch["mask"]
    out, stats = self.net.run(
      params, stats, batch["image"], key=key, train=train, mask=mask
    )
    centre, scale = self._unit
    truth = (batch["number"] - centre) / scale
    values = self._values(self._checked(out), truth)
    return {self.loss: Mean.of(values, mask)}, stats

  @property
  def _unit(self) -> tuple[Array, Array]:
    """What numbers are standardised by, float32 (t,)."""
    return tuple(jnp.asarray(x, jnp.float32) for x in (self.centre, self.scale))

  def _values(self, out: Array, truth: Array) -> Array:
    if self.loss == MIXTURE:
      return -Mixture.of(out, self.components).log_prob(truth)
    if self.loss == "huber":
      return huber(out, truth, self.delta)
    return LOSSES[self.loss](out, truth)

  def _checked(self, out: Array) -> Array:
    t = len(self.centre)
    expected = outputs(self.loss, t, self.components)
    if out.shape[1:] != (expected,):
      raise UserError(
        f"Regression: the net gives {out.shape[1:]} for an image; expected "
        f"{expected}, of loss {self.loss} and {t} numbers."
      )
    return out


def outputs(loss: str, numbers: int, components: int) -> int:
  """Returns how many outputs a net needs for so many numbers."""
  return components * (1 + 2 * numbers) if loss == MIXTURE else numbers
