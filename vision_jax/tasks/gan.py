"""Adversarial training: a generator against a discriminator."""

import dataclasses
import functools
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from vision_jax.core.checks import check_name
from vision_jax.core.state import joined
from vision_jax.core.types import Array, Batch, Mean, Nets, Objective, Terms
from vision_jax.errors import UserError
from vision_jax.forms.nested import when
from vision_jax.losses.adversarial import (
  ADVERSARIAL,
  discriminator_loss,
  generator_loss,
  gradient_penalty,
  square_gradient,
)
from vision_jax.ops.augment.keys import example_keys
from vision_jax.tasks.conditions import Condition, Conditional
from vision_jax.tasks.generative import SIGNED, latents, outside
from vision_jax.tasks.net import Net

GENERATOR, DISCRIMINATOR = "generator", "discriminator"


@dataclasses.dataclass(frozen=True)
class GAN(Conditional):
  """Two nets: in a step first the discriminator descends, then the generator.

  A batch has `image` (b, h, w, c), in [-1, 1], `index` (b,), `mask` (b,), and
  what the condition reads: `label` int (b,) of nets with classes. z is drawn
  from an example's index. With several discriminator steps each takes its slice
  of the batch.

  Logs both losses, the mean logits `real` and `fake`, the penalties, and
  `outside`, the share of pixels outside [-1, 1].

  Attributes:
    generator: (z, condition, *, train, mask) -> image; has `latent`.
    discriminator: (image, condition, *, train, mask) -> logit (b,).
    loss: one of `losses.adversarial.ADVERSARIAL`.
    discriminator_steps: how many updates the discriminator gets in a step.
    penalty: weight of WGAN-GP's gradient penalty (10 in the paper), or 0.
    r1: gamma; half of it weighs the squared gradient on real images.
    r1_every: steps from one of R1's penalties to the next, which is as many
      times as heavy (https://arxiv.org/abs/1912.04958, lazy regularisation).
    condition: what both nets are given besides; None is the class of nets with
      `num_classes`, and nothing without.
  """

  generator: nn.Module
  discriminator: nn.Module
  loss: str = "non_saturating"
  discriminator_steps: int = 1
  penalty: float = 0.0
  r1: float = 0.0
  r1_every: int = 1
  condition: Condition | None = None

  def __post_init__(self):
    check_name("loss", self.loss, ADVERSARIAL)
    for name in ("discriminator_steps", "r1_every"):
      if getattr(self, name) < 1:
        raise UserError(
          f"{name}: got {getattr(self, name)}; expected at least 1."
        )
    for name in ("penalty", "r1"):
      if getattr(self, name) < 0:
        raise UserError(f"{name}: got {getattr(self, name)}; expected >= 0.")
    self._settle_condition(self.generator, self.discriminator)

  @property
  def value_range(self) -> tuple[float, float]:
    """The range of the pixels of images and samples."""
    return SIGNED

  @property
  def objectives(self) -> tuple[Objective, ...]:
    """The discriminator's, with its penalties, then the generator's."""
    weights = {"discriminator": 1.0}
    if self.penalty:
      weights["gradient_penalty"] = self.penalty
    if self.r1:
      weights["r1"] = self.r1 / 2
    return (
      Objective(
        DISCRIMINATOR, self._discriminate, weights, self.discriminator_steps
      ),
      Objective(GENERATOR, self._generate, {"generator": 1.0}),
    )

  def init(self, key: Array, batch: Batch) -> tuple[Nets, Nets]:
    """Returns parameters and statistics of both nets.

    Raises:
      UserError: for BatchNorm in a discriminator with a penalty on gradients,
        which are an example's own only without it.
    """
    image, (first, second) = batch["image"], jax.random.split(key)
    nets = self.condition.init(jax.random.fold_in(key, 1), batch)
    given = self.condition.of(*nets, batch)
    z = jnp.zeros((image.shape[0], self.generator.latent), jnp.float32)
    own = (
      self._generator.init(first, z, given),
      self._discriminator.init(second, image, given),
    )
    params, stats = joined(nets, *own)
    if "batch_stats" in stats[DISCRIMINATOR] and (self.penalty or self.r1):
      raise UserError(
        "discriminator: it has BatchNorm, by which an image's logit depends on "
        "the others; expected none with a gradient penalty or R1. Use norm="
        "'spectral' or 'none', or no penalty."
      )
    return params, stats

  def predict(
    self, params: Nets, stats: Nets, batch: Batch, key: Array
  ) -> dict[str, Array]:
    """Returns what `sample` does."""
    return self.sample(params, stats, batch, key)

  def sample(
    self,
    params: Nets,
    stats: Nets,
    batch: Batch,
    key: Array,
    *,
    interpolate: int = 0,
    traverse: int = 0,
  ) -> dict[str, Array]:
    """Draws `image` (b, h, w, c), one for each `index` of the batch.

    Args:
      params: the parameters of both nets, by name.
      stats: the statistics of both nets, by name.
      batch: `index`, and what the condition reads.
      key: an image depends on it, its index and its condition alone.
      interpolate: images from one z to the next, see `generative.latents`.
      traverse: images along one value of the z, see the same.
    """
    z = latents(
      batch,
      key,
      self.generator.latent,
      interpolate=interpolate,
      traverse=traverse,
    )
    generator = self._generator.given(params, stats)
    given = self.condition.of(params, stats, batch)
    return {"image": generator(z, given, train=False, mask=batch.get("mask"))}

  def _discriminate(self, params, stats, batch, key, *, step, train) -> Terms:
    fake, _ = self._fake(params, stats, batch, key, train)
    fake, image = jax.lax.stop_gradient(fake), batch["image"]
    judge = functools.partial(self._judge, batch, key)
    real_logit, new = judge(image, params, stats, train)
    fake_logit, new = judge(fake, params, new, train)
    terms = {
      "discriminator": discriminator_loss(self.loss, real_logit, fake_logit),
      "real": real_logit,
      "fake": fake_logit,
      "outside": outside(image, SIGNED),
    }
    # As it is between updates: no statistic moves.
    critic = lambda x: judge(x, params, stats, train=False)[0]
    if self.penalty:
      draw = lambda k: jax.random.uniform(
        jax.random.fold_in(k, 1), (), jnp.float32
      )
      share = jax.vmap(draw)(example_keys(batch, key))
      terms["gradient_penalty"] = gradient_penalty(critic, image, fake, share)
    if self.r1:
      terms["r1"] = self._lazy(lambda: square_gradient(critic, image), step)
    return {k: Mean.of(v, batch["mask"]) for k, v in terms.items()}, new

  def _generate(self, params, stats, batch, key, *, step, train) -> Terms:
    fake, new = self._fake(params, stats, batch, key, train)
    logit, _ = self._judge(batch, key, fake, params, stats, train)
    loss = generator_loss(self.loss, logit)
    return {"generator": Mean.of(loss, batch["mask"])}, new

  def _lazy(self, penalty: Callable[[], Array], step: Array) -> Array:
    if self.r1_every == 1:
      return penalty()
    zeros = lambda: jnp.zeros_like(jax.eval_shape(penalty))
    due = jnp.asarray(step) % self.r1_every == 0
    return self.r1_every * when(due, penalty, zeros)

  @property
  def _generator(self) -> Net:
    return Net(self.generator, GENERATOR)

  @property
  def _discriminator(self) -> Net:
    return Net(self.discriminator, DISCRIMINATOR)

  def _fake(self, params, stats, batch, key, train) -> tuple[Array, Nets]:
    """Returns an image for each z, and all statistics, the generator's new."""
    z = latents(batch, key, self.generator.latent)
    return self._run(self._generator, params, stats, batch, key, z, train)

  def _judge(
    self, batch, key, image, params, stats, train
  ) -> tuple[Array, Nets]:
    """Returns a logit for each image, and all statistics, its own new."""
    net = self._discriminator
    return self._run(net, params, stats, batch, key, image, train)

  def _run(self, net: Net, params, stats, batch, key, x, train):
    given, mask = self.condition.of(params, stats, batch), batch.get("mask")
    return net.run(params, stats, x, given, key=key, train=train, mask=mask)
