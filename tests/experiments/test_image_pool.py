"""Two generators and two discriminators, with a pool of earlier images.

Threes become eights and back (Zhu et al., 2017, arxiv.org/abs/1703.10593). A
discriminator sees fakes of earlier steps too: its statistics hold the newest.
"""

import dataclasses
import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests.experiments.everywhere import (
  BATCH,
  assert_equal_everywhere,
  assert_resumes,
  digits,
  train,
)
from vision_jax.core.seeds import make_key
from vision_jax.core.state import joined
from vision_jax.core.types import Mean, Objective, Rows
from vision_jax.data.loader import Loader
from vision_jax.data.sources.digits import Digits
from vision_jax.data.subsets import subset
from vision_jax.data.together import Together
from vision_jax.layers.conv import Conv, global_average
from vision_jax.losses.adversarial import discriminator_loss, generator_loss
from vision_jax.ops.augment.keys import uniforms
from vision_jax.ops.parts import part
from vision_jax.tasks.net import Net

OTHER = {"threes": "eights", "eights": "threes"}
POOL = 24


class Redraw(nn.Module):
  """An image of one class as one of the other."""

  @nn.compact
  def __call__(self, x, *, train):
    x = jax.nn.relu(Conv(8, name="in")(x))
    return jnp.tanh(Conv(1, name="out")(x))


class Judge(nn.Module):
  """A logit for each image."""

  @nn.compact
  def __call__(self, x, *, train):
    x = jax.nn.leaky_relu(Conv(8, stride=2, name="in")(x))
    return global_average(Conv(1, name="out")(x))[:, 0]


@dataclasses.dataclass(frozen=True)
class Translation:
  """`threes` and `eights` of a batch, (b, h, w, c) each, become the others."""

  @property
  def objectives(self):
    losses = {
      "judge": (self._judge, {"judge": 1.0}),
      "draw": (self._draw, {"fool": 1.0, "cycle": 10.0}),
    }
    return [
      Objective(f"{name}_{side}", functools.partial(loss, side), weights)
      for name, (loss, weights) in losses.items()
      for side in OTHER
    ]

  def init(self, key, batch):
    image = part(batch, "threes")["image"]
    pool = {"pool": {"image": jnp.zeros((POOL, *image.shape[1:]))}}
    nets = []
    for number, side in enumerate(OTHER):
      first, second = jax.random.split(jax.random.fold_in(key, number))
      nets.append(drawer(side).init(first, image))
      params, stats = judge(side).init(second, image)
      nets.append((params, {name: x | pool for name, x in stats.items()}))
    return joined(*nets)

  def predict(self, params, stats, batch, key):
    image = lambda side: part(batch, OTHER[side])["image"]
    draw = lambda side: drawer(side).given(params, stats)
    return {side: draw(side)(image(side), train=False) for side in OTHER}

  def _judge(self, side, params, stats, batch, key, *, step, train):
    fake = self.predict(params, stats, batch, key)[side]
    fake = jax.lax.stop_gradient(fake)
    own = stats[f"judge_{side}"]
    shown = with_earlier(fake, own["pool"]["image"], uniforms(batch, key, 2))
    logit = lambda x: judge(side).given(params, stats)(x, train=train)
    real = logit(part(batch, side)["image"])
    loss = discriminator_loss("least_squares", real, logit(shown))
    new = own | {"pool": {"image": Rows(fake, batch["index"])}}
    return {"judge": Mean.of(loss, batch["mask"])}, {f"judge_{side}": new}

  def _draw(self, side, params, stats, batch, key, *, step, train):
    fake = self.predict(params, stats, batch, key)[side]
    logit = judge(side).given(params, stats)(fake, train=train)
    back = drawer(OTHER[side]).given(params, stats)(fake, train=train)
    error = jnp.abs(back - part(batch, OTHER[side])["image"]).mean((1, 2, 3))
    terms = {"fool": generator_loss("least_squares", logit), "cycle": error}
    return {k: Mean.of(x, batch["mask"]) for k, x in terms.items()}, stats


def drawer(side):
  return Net(Redraw(), f"draw_{side}")


def judge(side):
  return Net(Judge(), f"judge_{side}")


def with_earlier(fake, pool, uniform):
  """The fakes, or for half of them one of the pool, as far as it is full."""
  earlier = pool[(uniform[:, 0] * len(pool)).astype(int)]
  there = jnp.any(earlier != 0, (1, 2, 3)) & (uniform[:, 1] < 0.5)
  return jnp.where(there[:, None, None, None], earlier, fake)


def pixels(batch):
  """Images of [-1, 1], of bytes."""
  return {
    k: x / 127.5 - 1 if k.endswith("image") else x for k, x in batch.items()
  }


def make():
  source = Digits("train")
  of = lambda label: np.flatnonzero(source.arrays["label"] == label)
  loader = lambda k: Loader(subset(source, of(k)), [], BATCH, seed=k)
  nets = [objective.net for objective in Translation().objectives]
  return digits(
    Translation(),
    optimizers={net: optax.sgd(0.1, 0.9) for net in nets},
    train_data=Together(threes=loader(3), eights=loader(8)),
    inputs=pixels,
    augment=None,
  )


def test_the_pool_has_the_newest_images_in_order():
  experiment = make()
  with experiment:
    batch = experiment.train_data.batch(0)
  state = experiment.initial_state(make_key(0), batch)
  drawn = experiment.task.predict(*state.weights(), pixels(batch), None)
  outcome = train(make, "jit", steps=1)
  for side in OTHER:
    pool = outcome.state.stats[f"judge_{side}"]["pool"]["image"]
    np.testing.assert_allclose(pool[-BATCH:], drawn[side], atol=1e-5)
    assert not pool[:-BATCH].any()
    assert {f"train/judge/judge_{side}", f"train/cycle/draw_{side}"} <= {
      *outcome.metrics
    }


def test_half_of_the_images_are_earlier_ones_where_there_are_some():
  draw = jax.random.uniform(jax.random.key(0), (400, 2))
  pool = jnp.zeros((4, 1, 1, 1)).at[2:].set(2.0)
  shown = with_earlier(jnp.ones((400, 1, 1, 1)), pool, draw)
  assert {*np.unique(shown)} == {1.0, 2.0}
  assert np.mean(shown == 2) == pytest.approx(1 / 4, abs=0.06)


@pytest.mark.slow
@pytest.mark.parametrize("accumulate", [1, 2])
def test_it_is_the_same_everywhere(accumulate):
  assert_equal_everywhere(make, rounding=1e-4, accumulate=accumulate)


@pytest.mark.slow
def test_it_resumes_bit_for_bit(tmp_path):
  assert_resumes(make, "pmap", tmp_path)
