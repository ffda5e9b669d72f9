"""A flow that begins by what its first batches are (Kingma & Dhariwal, 2018).

Each normalization takes the moments of one whole batch, the first one those of
the first: they are statistics that are a `Mean` then, and stay.
"""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests.experiments.everywhere import (
  assert_equal_everywhere,
  assert_resumes,
  digits,
  train,
)
from vision_jax.core.types import Mean, Objective
from vision_jax.layers.dense import Dense
from vision_jax.ops.augment.keys import uniforms
from vision_jax.tasks.net import NET, Net

LAYERS = 2


class ActNorm(nn.Module):
  """Scale and shift, which make batch number `at` one of mean 0, variance 1."""

  at: int

  @nn.compact
  def __call__(self, x, mask, step):
    d = x.shape[-1]
    mean = self.variable("first", "mean", jnp.zeros, d)
    square = self.variable("first", "square", jnp.ones, d)
    bias = self.param("bias", nn.initializers.zeros, (d,))
    log_scale = self.param("log_scale", nn.initializers.zeros, (d,))
    variance = square.value - mean.value**2
    y = (x - mean.value) * jnp.exp(log_scale) / jnp.sqrt(variance) + bias
    log_det = jnp.sum(log_scale - jnp.log(variance) / 2)
    if self.is_mutable_collection("first") and not self.is_initializing():
      count = jnp.sum(mask) * (step == self.at)
      mean.value = Mean(mask @ x, count)
      square.value = Mean(mask @ x**2, count)
    return y, log_det


class Coupling(nn.Module):
  """Moves one half of the values by what the other half is."""

  @nn.compact
  def __call__(self, x):
    still, moved = jnp.split(x, 2, -1)
    hidden = jax.nn.relu(Dense(32, name="hidden")(still))
    shift, scale = jnp.split(Dense(x.shape[-1], name="moves")(hidden), 2, -1)
    scale = jnp.tanh(scale)
    moved = moved * jnp.exp(scale) + shift
    return jnp.concatenate([moved, still], -1), jnp.sum(scale, -1)


class Flow(nn.Module):
  """Maps values (b, d) to normal ones, and gives the log determinant (b,)."""

  @nn.compact
  def __call__(self, x, mask, step, *, train):
    total = jnp.zeros(len(x))
    for number in range(LAYERS):
      x, more = ActNorm(number, name=f"norm{number}")(x, mask, step)
      total += more
      x, more = Coupling(name=f"coupling{number}")(x)
      total += more
    x, more = ActNorm(LAYERS, name="last")(x, mask, step)
    return x, total + more


@dataclasses.dataclass(frozen=True)
class Density:
  """The likelihood of images; the first steps only measure."""

  net = Net(Flow())

  @property
  def objectives(self):
    return (Objective(NET, self._loss, {"nats": 1.0}),)

  def init(self, key, batch):
    return self.net.init(key, values(batch), batch["mask"], 0)

  def predict(self, params, stats, batch, key):
    flow = self.net.given(params, stats)
    z, log_det = flow(values(batch), batch["mask"], -1, train=False)
    return {"z": z, "nats": nats(z, log_det)}

  def _loss(self, params, stats, batch, key, *, step, train):
    (z, log_det), new = self.net.run(
      *(params, stats, values(batch), batch["mask"], step), key=key, train=train
    )
    learns = step > LAYERS if train else True
    loss = jnp.where(learns, nats(z, log_det), 0)
    return {"nats": Mean.of(loss, batch["mask"])}, new


def nats(z, log_det):
  """How unlikely images are (b,), by their normal values (b, d)."""
  return jnp.sum(z**2 / 2 + np.log(2 * np.pi) / 2, -1) - log_det


def values(batch):
  """The pixels (b, d), with noise of each image's own in its last bit."""
  flat = batch["image"].reshape(len(batch["image"]), -1)
  noise = uniforms(batch, jax.random.key(0), flat.shape[1])
  return flat / 8 + noise


def make():
  bytes_to_floats = lambda batch: {
    **batch, "image": batch["image"].astype(jnp.float32)
  }  # fmt: skip
  return digits(
    Density(),
    optimizers={NET: optax.adam(1e-3)},
    inputs=bytes_to_floats,
    augment=None,
  )


def test_each_normalization_begins_with_a_whole_batch():
  state = train(make, "jit", steps=LAYERS + 1).state
  experiment = make()
  with experiment:
    first, last = (experiment.train_data.batch(i) for i in (0, LAYERS))
  moments = state.stats[NET]["first"]["norm0"]
  pixels = np.asarray(values(first))
  np.testing.assert_allclose(moments["mean"], pixels.mean(0), rtol=1e-5)
  np.testing.assert_allclose(moments["square"], (pixels**2).mean(0), rtol=1e-5)
  z = experiment.task.predict(*state.weights(), last, None)["z"]
  np.testing.assert_allclose(np.mean(z, 0), 0, atol=1e-2)
  np.testing.assert_allclose(np.var(z, 0), 1, atol=2e-2)


@pytest.mark.slow
@pytest.mark.parametrize("accumulate", [1, 2])
def test_it_is_the_same_everywhere(accumulate):
  options = {"rounding": 1e-3, "accumulate": accumulate}
  assert_equal_everywhere(make, steps=LAYERS + 3, **options)


@pytest.mark.slow
def test_it_resumes_bit_for_bit(tmp_path):
  assert_resumes(make, tmp_path, steps=LAYERS + 3)
