"""VQGAN: vector quantisation that a discriminator and a trained net judge."""

import dataclasses

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
from vision_jax.ops.perceptual import perceptual_distance
from vision_jax.tasks.gan import DISCRIMINATOR
from vision_jax.tasks.net import Net
from vision_jax.tasks.perceptual import initial_judge, maps_by
from vision_jax.tasks.vector_quantisation import VectorQuantisation


@dataclasses.dataclass(frozen=True)
class AdversarialQuantisation(VectorQuantisation):
  """VQGAN (Esser et al., arXiv 2012.09841): see `VectorQuantisation`.

  In a step the discriminator of patches descends first, and then the
  autoencoder, which has to fool it as well, and whose images have to be near by
  the maps of a trained net. Logs also `perceptual`, `fool`, `discriminator` and
  the mean logits `real` and `fake`.

  Differs from the paper: squared errors of pixels, no adaptive weight of the
  discriminator, and no learned weights of the maps' channels.

  Attributes:
    discriminator: (image, *, train, mask) -> logits (b, h', w').
    judge: (image, *, train, features=True) -> maps by name, of images with
      three channels as ImageNet's: the net "perceptual", whose weights the
      experiment's `fixed` says; without any its maps are random.
    loss: one of `losses.adversarial.ADVERSARIAL`.
    adversarial: weight of what the discriminator says.
    perceptual: weight of the maps.
    begin: steps before the discriminator counts.
  """

  discriminator: nn.Module = dataclasses.field(kw_only=True)
  judge: nn.Module = dataclasses.field(kw_only=True)
  loss: str = "hinge"
  adversarial: float = 0.1
  perceptual: float = 1.0
  begin: int = 0

  def __post_init__(self):
    super().__post_init__()
    check_name("loss", self.loss, ADVERSARIAL)
    for name in ("adversarial", "perceptual", "begin"):
      if not getattr(self, name) >= 0:
        raise UserError(
          f"{name}: got {getattr(self, name)}; expected 0 or more."
        )

  @property
  def objectives(self) -> tuple[Objective, ...]:
    """The discriminator's, then the autoencoder's."""
    (own,) = super().objectives
    weights = {"perceptual": self.perceptual, "fool": self.adversarial}
    return (
      Objective(DISCRIMINATOR, self._discriminate, {"discriminator": 1.0}),
      dataclasses.replace(own, weights={**own.weights, **weights}),
    )

  def init(self, key: Array, batch: Batch) -> tuple[Nets, Nets]:
    """Returns parameters and statistics of all three nets."""
    image = batch["image"]
    first, second = jax.random.split(jax.random.fold_in(key, 1))
    judge = initial_judge(self.judge, first, image)
    discriminator = self._discriminator.init(second, image)
    own = super().init(key, batch)
    return joined(judge, discriminator, own)

  @property
  def _discriminator(self) -> Net:
    return Net(self.discriminator, DISCRIMINATOR)

  def _discriminate(self, params, stats, batch, key, *, step, train) -> Terms:
    net, image = self.net.given(params, stats), batch["image"]
    fake = jax.lax.stop_gradient(net(image, train=False))
    logits, new = [], stats
    for shown in (image, fake):
      logit, new = self._discriminator.run(
        params, new, shown, key=key, train=train, mask=batch["mask"]
      )
      logits.append(logit)
    loss = discriminator_loss(self.loss, *logits)
    terms = {"discriminator": self._counts(step, train) * loss}
    terms |= dict(zip(("real", "fake"), logits, strict=True))
    return {k: Mean.of(x, batch["mask"]) for k, x in terms.items()}, new

  def _reconstructed(
    self, params, stats, z, batch, key, step, train
  ) -> tuple[dict[str, Array], Array]:
    """Adds what the discriminator and the maps say of the images."""
    errors, image = super()._reconstructed(
      params, stats, z, batch, key, step, train
    )
    logit, _ = self._discriminator.run(
      params, stats, image, key=key, train=train, mask=batch["mask"]
    )
    fool = generator_loss(self.loss, logit).mean((1, 2))
    judged = maps_by(self.judge, params, stats)
    maps = [judged(x) for x in (image, batch["image"])]
    errors["fool"] = self._counts(step, train) * fool
    errors["perceptual"] = perceptual_distance(*maps)
    return errors, image

  def _counts(self, step: Array, train: bool) -> Array | float:
    """Whether the discriminator counts by now; always where none trains."""
    if not train or not self.begin:
      return 1.0
    return (jnp.asarray(step) >= self.begin).astype(jnp.float32)
