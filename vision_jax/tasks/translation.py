"""Images of one kind into those of another, learned from pairs."""

import dataclasses
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from vision_jax.core.checks import check_name
from vision_jax.core.state import joined
from vision_jax.core.types import Array, Batch, Mean, Nets, Objective, Terms
from vision_jax.errors import UserError
from vision_jax.losses.adversarial import (
  ADVERSARIAL,
  discriminator_loss,
  generator_loss,
)
from vision_jax.losses.restoration import l1
from vision_jax.tasks.gan import DISCRIMINATOR, GENERATOR
from vision_jax.tasks.net import Net


@dataclasses.dataclass(frozen=True)
class PairedTranslation:
  """Learns from pairs what images become: pix2pix.

  Isola et al. (2017), arxiv.org/abs/1611.07004. A batch has `image`
  (b, h, w, c), `wanted` (b, h, w, d), what is to become of it, both in [0, 1],
  and `mask` (b,). Nets see and make pixels of [-1, 1]. The discriminator judges
  patches of both images together; in a step it descends first, its loss halved
  as in the paper.

  Logs the losses, `pixels` (the mean absolute error, of [-1, 1]), and the mean
  logits `real` and `fake`.

  Attributes:
    generator: (image, *, train, mask) -> image in (-1, 1); may have `multiple`,
      what sides have to be divisible by.
    discriminator: (image, *, train, mask) -> logits (b, h', w').
    loss: one of `losses.adversarial.ADVERSARIAL`.
    adversarial: weight of what the discriminator says; 0 trains the generator
      alone, by its pixels.
    l1: weight of the absolute error.
  """

  generator: nn.Module
  discriminator: nn.Module
  loss: str = "non_saturating"
  adversarial: float = 1.0
  l1: float = 100.0

  def __post_init__(self):
    check_name("loss", self.loss, ADVERSARIAL)
    check_weights(self, "adversarial", "l1")

  @property
  def objectives(self) -> tuple[Objective, ...]:
    """The discriminator's, where there is one, then the generator's."""
    pixels = {"pixels": self.l1}
    if not self.adversarial:
      return (Objective(GENERATOR, self._draw, pixels),)
    judged, fools = halved(self.loss)
    return (
      Objective(DISCRIMINATOR, self._judge, {"discriminator": judged}),
      Objective(
        GENERATOR, self._draw, pixels | {"fool": fools * self.adversarial}
      ),
    )

  def init(self, key: Array, batch: Batch) -> tuple[Nets, Nets]:
    """Returns parameters and statistics of the nets that are trained."""
    first, second = jax.random.split(key)
    image, wanted = batch["image"], batch["wanted"]
    nets = [self._generator.init(first, image)]
    if self.adversarial:
      both = jnp.concatenate([image, wanted], -1)
      nets.append(self._discriminator.init(second, both))
    return joined(*nets)

  def predict(
    self, params: Nets, stats: Nets, batch: Batch, key: Array
  ) -> dict[str, Array]:
    """Returns `translated` (b, h, w, d) in [0, 1], float32.

    Images may have any size: their edges go on where sides are no multiple of
    the generator's.
    """
    del key
    net = self._generator.given(params, stats)
    return {"translated": translated(net, self.generator, batch["image"])}

  @property
  def _generator(self) -> Net:
    return Net(self.generator, GENERATOR)

  @property
  def _discriminator(self) -> Net:
    return Net(self.discriminator, DISCRIMINATOR)

  def _drawn(self, params, stats, batch, key, train) -> tuple[Array, Nets]:
    """Returns what images become, in (-1, 1), and new statistics."""
    image, mask = signed(batch["image"]), batch["mask"]
    drawn, new = self._generator.run(
      params, stats, image, key=key, train=train, mask=mask
    )
    if drawn.shape != batch["wanted"].shape:
      raise UserError(
        f"PairedTranslation: the generator makes {drawn.shape} of images "
        f"{image.shape}; expected {batch['wanted'].shape}, as the wanted ones "
        "are. Check its channels."
      )
    return drawn, new

  def _logit(self, params, stats, batch, drawn, key, train):
    """Returns logits of images with what they became, and new statistics."""
    both = jnp.concatenate([signed(batch["image"]), drawn], -1)
    return self._discriminator.run(
      params, stats, both, key=key, train=train, mask=batch["mask"]
    )

  def _judge(self, params, stats, batch, key, *, step, train) -> Terms:
    fake, _ = self._drawn(params, stats, batch, key, train)
    fake, new = jax.lax.stop_gradient(fake), stats
    logits = []
    for shown in (signed(batch["wanted"]), fake):
      logit, new = self._logit(params, new, batch, shown, key, train)
      logits.append(logit)
    real, fake = logits
    loss = discriminator_loss(self.loss, real, fake)
    terms = {"discriminator": loss, "real": real, "fake": fake}
    return {k: Mean.of(x, batch["mask"]) for k, x in terms.items()}, new

  def _draw(self, params, stats, batch, key, *, step, train) -> Terms:
    drawn, new = self._drawn(params, stats, batch, key, train)
    terms = {"pixels": l1(drawn, signed(batch["wanted"]))}
    if self.adversarial:
      logit, _ = self._logit(params, stats, batch, drawn, key, train)
      terms["fool"] = generator_loss(self.loss, logit)
    return {k: Mean.of(x, batch["mask"]) for k, x in terms.items()}, new


def signed(image: Array) -> Array:
  """Returns pixels of [0, 1] in [-1, 1]."""
  return 2 * image - 1


def translated(
  net: Callable[..., Array], generator: nn.Module, image: Array
) -> Array:
  """Returns what a net makes of images (b, h, w, c); both in [0, 1].

  Args:
    net: `Net.given` of the generator.
    generator: may have `multiple`: images are made so large by repeating what
      is at their edges, and what is made of them is cut back.
    image: of any size.
  """
  _, h, w, _ = image.shape
  multiple = getattr(generator, "multiple", 1)
  around = ((0, 0), (0, -h % multiple), (0, -w % multiple), (0, 0))
  drawn = net(signed(jnp.pad(image, around, mode="edge")), train=False)
  return (drawn[:, :h, :w] + 1) / 2


def halved(loss: str) -> tuple[float, float]:
  """Returns the weights of a discriminator's and of a generator's loss.

  Both papers halve the first alone. Our least squares have the half already,
  and that of generators too.
  """
  return (1.0, 2.0) if loss == "least_squares" else (0.5, 1.0)


def check_weights(task: object, *names: str) -> None:
  """Checks that fields of a task are no less than 0.

  Raises:
    UserError: naming the one that is.
  """
  for name in names:
    if not (value := getattr(task, name)) >= 0:
      raise UserError(f"{name}: got {value}; expected 0 or more.")
