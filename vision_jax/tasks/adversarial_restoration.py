"""SRGAN: restoration that a discriminator and a trained net judge."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp

from vision_jax.core.state import joined
from vision_jax.core.types import Array, Batch, Mean, Nets, Objective, Terms
from vision_jax.losses.adversarial import discriminator_loss, generator_loss
from vision_jax.losses.restoration import LOSSES, l2
from vision_jax.tasks.gan import DISCRIMINATOR
from vision_jax.tasks.net import NET, Net
from vision_jax.tasks.perceptual import initial_judge, maps_by
from vision_jax.tasks.restoration import Restoration
from vision_jax.tasks.translation import check_weights, signed

_LOSS = "non_saturating"
_RESCALED = 1 / 12.75  # maps, whose errors are then as large as pixels'


@dataclasses.dataclass(frozen=True)
class AdversarialRestoration(Restoration):
  """SRGAN (Ledig et al., 2017), arxiv.org/abs/1609.04802: see `Restoration`.

  In a step the discriminator descends first, and then the net that restores,
  which has to fool it as well. The content of what it makes is compared by
  pixels, or by the maps of a fixed net, over 12.75 as in the paper. Logs
  `pixels`, `perceptual` where there is such a net, `fool`, `discriminator` and
  the mean logits `real` and `fake`. Pixels are those of [-1, 1] in all of them.

  Differs from the paper: means over channels too, of pixels and of maps.

  Attributes:
    loss: "l1", "l2" or "charbonnier", of pixels; the paper's is "l2".
    discriminator: (image, *, train, mask) -> logits (b,), or (b, h', w') of
      patches.
    judge: (image, *, train, features=True) -> maps by name, of images with
      three channels as ImageNet's: the net "perceptual", whose weights the
      experiment's `fixed` says; without any its maps are random. None compares
      pixels.
    adversarial: weight of what the discriminator says.
  """

  loss: str = "l2"
  discriminator: nn.Module = dataclasses.field(kw_only=True)
  judge: nn.Module | None = dataclasses.field(default=None, kw_only=True)
  adversarial: float = dataclasses.field(default=1e-3, kw_only=True)

  def __post_init__(self):
    super().__post_init__()
    check_weights(self, "adversarial")

  @property
  def objectives(self) -> tuple[Objective, ...]:
    """The discriminator's, then that of the net that restores."""
    content = "perceptual" if self.judge else "pixels"
    weights = {content: 1.0, "fool": self.adversarial}
    return (
      Objective(DISCRIMINATOR, self._discriminate, {"discriminator": 1.0}),
      Objective(NET, self._loss, weights),
    )

  def init(self, key: Array, batch: Batch) -> tuple[Nets, Nets]:
    """Returns parameters and statistics of all nets."""
    first, second = jax.random.split(jax.random.fold_in(key, 1))
    clean = self._seen(batch["clean"])
    nets = [super().init(key, batch), self._discriminator.init(first, clean)]
    if self.judge:
      nets.append(initial_judge(self.judge, second, clean))
    return joined(*nets)

  @property
  def _discriminator(self) -> Net:
    return Net(self.discriminator, DISCRIMINATOR)

  def _judged(self, params, stats, image, batch, key, train):
    """Returns logits of images in [-1, 1], and new statistics."""
    return self._discriminator.run(
      params, stats, image, key=key, train=train, mask=batch["mask"]
    )

  def _discriminate(self, params, stats, batch, key, *, step, train) -> Terms:
    fake, clean, _ = self._restored(params, stats, batch, key, train)
    logits, new = [], stats
    for shown in (clean, jax.lax.stop_gradient(fake)):
      logit, new = self._judged(params, new, signed(shown), batch, key, train)
      logits.append(logit)
    terms = {"discriminator": discriminator_loss(_LOSS, *logits)}
    terms |= dict(zip(("real", "fake"), logits, strict=True))
    return {k: Mean.of(x, batch["mask"]) for k, x in terms.items()}, new

  def _loss(self, params, stats, batch, key, *, step, train) -> Terms:
    *both, new = self._restored(params, stats, batch, key, train)
    found, clean = map(signed, both)
    logit, _ = self._judged(params, stats, found, batch, key, train)
    terms = {
      "pixels": LOSSES[self.loss](found, clean),
      "fool": generator_loss(_LOSS, logit),
    }
    if self.judge:
      maps = maps_by(self.judge, params, stats)
      terms["perceptual"] = _apart(maps(found), maps(clean))
    return {k: Mean.of(x, batch["mask"]) for k, x in terms.items()}, new


def _apart(first: dict[str, Array], second: dict[str, Array]) -> Array:
  """Mean squared errors (b,) of maps by name, rescaled and added up."""
  scaled = lambda x: _RESCALED * x.astype(jnp.float32)
  return sum(l2(scaled(x), scaled(second[name])) for name, x in first.items())
