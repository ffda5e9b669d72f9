"""Images of one kind into those of another, and back, without pairs."""

import dataclasses
import functools

import flax.linen as nn
import jax
import jax.numpy as jnp

from vision_jax.core.checks import check_name
from vision_jax.core.state import joined
from vision_jax.core.types import (
  Array,
  Batch,
  Mean,
  Nets,
  Objective,
  Rows,
  Terms,
)
from vision_jax.losses.adversarial import (
  ADVERSARIAL,
  discriminator_loss,
  generator_loss,
)
from vision_jax.losses.restoration import l1
from vision_jax.ops.augment.keys import integers, uniforms
from vision_jax.ops.parts import part
from vision_jax.tasks.gan import DISCRIMINATOR, GENERATOR
from vision_jax.tasks.net import Net
from vision_jax.tasks.translation import (
  check_weights,
  halved,
  signed,
  translated,
)

OTHER = {"a": "b", "b": "a"}
DIRECTIONS = {"ab": "b", "ba": "a"}  # -> what images become
_FLAG = "there"


@dataclasses.dataclass(frozen=True)
class CycleTranslation:
  """Learns without pairs what images become, both ways: CycleGAN.

  Zhu et al. (2017), arxiv.org/abs/1703.10593. A batch has the parts `a` and `b`
  of a `Together`, each with `image` (b, h, w, c) in [0, 1] and `mask`, and
  `mask` (b,) and `index` (b,) of its rows. There are two generators, of which
  "b" makes b's of a's, and two discriminators of patches; each two are one net
  with the parameters `a` and `b`, as the paper trains both at once. Nets see
  and make pixels of [-1, 1].

  Discriminators also see what generators made in earlier steps: their
  statistics hold the newest images (Shrivastava et al., 2017), and in every
  second case one of these takes the place of the new one. Differs from the
  paper: the pool is of the newest, where the paper replaces a random one.

  Logs, of each kind: `discriminator_a`, `fool_a`, `cycle_a` (how far an a is
  from itself after both ways) and `identity_a` (how far from what the generator
  of a's makes of it), errors of [-1, 1].

  Attributes:
    generator: (image, *, train, mask) -> image in (-1, 1); may have `multiple`.
    discriminator: (image, *, train, mask) -> logits (b, h', w').
    loss: one of `losses.adversarial.ADVERSARIAL`.
    cycle: weight of the errors after both ways.
    identity: weight of the identity's, as a part of `cycle`.
    pool: how many images of earlier steps there are; 0 for none.
    direction: "ab" or "ba", what `predict` makes of images alone.
  """

  generator: nn.Module
  discriminator: nn.Module
  loss: str = "least_squares"
  cycle: float = 10.0
  identity: float = 0.5
  pool: int = 50
  direction: str = "ab"

  def __post_init__(self):
    check_name("loss", self.loss, ADVERSARIAL)
    check_name("direction", self.direction, DIRECTIONS)
    check_weights(self, "cycle", "identity", "pool")

  @property
  def objectives(self) -> tuple[Objective, ...]:
    """The generators', then the discriminators', as in the paper."""
    judged, fools = halved(self.loss)
    terms = {"fool": fools, "cycle": self.cycle}
    if self.identity:
      terms["identity"] = self.cycle * self.identity
    return (
      Objective(GENERATOR, self._draw, _of_both(terms)),
      Objective(DISCRIMINATOR, self._judge, _of_both({DISCRIMINATOR: judged})),
    )

  def init(self, key: Array, batch: Batch) -> tuple[Nets, Nets]:
    """Returns parameters and statistics, `a` and `b` of each net."""
    params, stats = {}, {}
    modules = {GENERATOR: self.generator, DISCRIMINATOR: self.discriminator}
    for number, (name, module) in enumerate(modules.items()):
      own = jax.random.fold_in(key, number)
      pairs = zip(jax.random.split(own), OTHER, strict=True)
      nets = [
        Net(module, side).init(one, part(batch, side)["image"])
        for one, side in pairs
      ]
      params[name], stats[name] = joined(*nets)
    if self.pool:
      stats[DISCRIMINATOR] |= {
        _pool(side): _empty(self.pool, part(batch, side)["image"])
        for side in OTHER
      }
    return params, stats

  def predict(
    self, params: Nets, stats: Nets, batch: Batch, key: Array
  ) -> dict[str, Array]:
    """Returns `translated` (b, h, w, c) in [0, 1] of `image`, of any size.

    Of a batch with both kinds, of those that the direction begins with.
    """
    del key
    side = DIRECTIONS[self.direction]
    given = batch if "image" in batch else part(batch, OTHER[side])
    image = self._translated(params, stats, side, given["image"])
    return {"translated": image}

  def both(
    self, params: Nets, stats: Nets, batch: Batch, key: Array
  ) -> dict[str, Array]:
    """Returns `a` (b, h, w, c), made of b's, and `b`, made of a's, in [0, 1].

    An output of an `Eval`.
    """
    del key
    return {
      side: self._translated(params, stats, side, part(batch, other)["image"])
      for side, other in OTHER.items()
    }

  def _translated(self, params, stats, side: str, image: Array) -> Array:
    net = Net(self.generator, side).given(params[GENERATOR], stats[GENERATOR])
    return translated(net, self.generator, image)

  def _draw(self, params, stats, batch, key, *, step, train) -> Terms:
    images, weights = _images(batch), _weights(batch)
    how = {"train": train, "mask": batch["mask"]}
    judges = (params[DISCRIMINATOR], stats[DISCRIMINATOR])
    terms, own = {}, stats[GENERATOR]
    for number, (side, other) in enumerate(OTHER.items()):
      how["key"] = jax.random.fold_in(key, number)
      run = functools.partial(self._drawn, params, **how)
      fake, own = run(own, side, images[other])
      logit, _ = Net(self.discriminator, side).run(*judges, fake, **how)
      fool = generator_loss(self.loss, logit)
      terms[f"fool_{side}"] = Mean.of(fool, weights[other])
      back, own = run(own, other, fake)
      again = l1(back, images[other])
      terms[f"cycle_{other}"] = Mean.of(again, weights[other])
      if self.identity:
        same, own = run(own, side, images[side])
        same = l1(same, images[side])
        terms[f"identity_{side}"] = Mean.of(same, weights[side])
    return terms, {**stats, GENERATOR: own}

  def _judge(self, params, stats, batch, key, *, step, train) -> Terms:
    images, weights = _images(batch), _weights(batch)
    how = {"train": train, "mask": batch["mask"]}
    terms, own = {}, dict(stats[DISCRIMINATOR])
    for number, (side, other) in enumerate(OTHER.items()):
      how["key"] = jax.random.fold_in(key, number)
      fake, _ = self._drawn(
        params, stats[GENERATOR], side, images[other], **how
      )
      fake = shown = jax.lax.stop_gradient(fake)
      if self.pool and train:
        drawn = uniforms(batch, how["key"], 2)
        shown = with_earlier(fake, own[_pool(side)], drawn)
        own[_pool(side)] = _newest(fake, weights[other], batch["index"])
      logits = []
      for seen in (images[side], shown):
        net = Net(self.discriminator, side)
        logit, own = net.run(params[DISCRIMINATOR], own, seen, **how)
        logits.append(logit)
      loss = discriminator_loss(self.loss, *logits)
      terms[f"{DISCRIMINATOR}_{side}"] = Mean.of(loss, batch["mask"])
    return terms, {**stats, DISCRIMINATOR: own}

  def _drawn(self, params, own, side, image, **how) -> tuple[Array, Nets]:
    """Returns what images become, in (-1, 1), and the generators' statistics.

    Args:
      params: of all nets.
      own: the generators' statistics.
      side: of which kind they become.
      image: in [-1, 1].
      **how: of `Net.run`.
    """
    return Net(self.generator, side).run(params[GENERATOR], own, image, **how)


def with_earlier(fake: Array, pool: Batch, uniform: Array) -> Array:
  """Returns fakes, or for half of them one of a pool's, if it is there.

  Args:
    fake: (b, h, w, c).
    pool: `image` (n, h, w, c), and `there` (n,), 1 where that is one.
    uniform: (b, 2) in [0, 1): which of them, and whether.
  """
  which = integers(uniform[:, 0], len(pool["image"]))
  taken = (pool[_FLAG][which] > 0) & (uniform[:, 1] < 0.5)
  return jnp.where(taken[:, None, None, None], pool["image"][which], fake)


def _of_both(weights: dict[str, float]) -> dict[str, float]:
  """Returns the weights of terms, of each of the two kinds."""
  return {f"{k}_{side}": w for k, w in weights.items() for side in OTHER}


def _images(batch: Batch) -> dict[str, Array]:
  return {side: signed(part(batch, side)["image"]) for side in OTHER}


def _weights(batch: Batch) -> dict[str, Array]:
  """Which images of each kind count: of an evaluation, each once."""
  return {
    side: batch["mask"] * part(batch, side).get("mask", 1.0) for side in OTHER
  }


def _pool(side: str) -> str:
  return f"pool_{side}"


def _empty(length: int, image: Array) -> dict[str, Array]:
  pool = jnp.zeros((length, *image.shape[1:]), jnp.float32)
  return {"image": pool, _FLAG: jnp.zeros(length, jnp.float32)}


def _newest(fake: Array, weight: Array, index: Array) -> dict[str, Rows]:
  return {"image": Rows(fake, index), _FLAG: Rows(weight, index)}
