"""Normalizing flows as a task: likelihoods, samples, one result everywhere."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.special
import scipy.stats

from tests.experiments.everywhere import (
  assert_equal_everywhere,
  assert_resumes,
  digits,
)
from tests.models.test_flows import moved
from vision_jax.core.state import create_state
from vision_jax.core.step import make_train_step
from vision_jax.models.generation.glow import Glow
from vision_jax.models.generation.realnvp import RealNVP
from vision_jax.ops.augment.keys import uniforms
from vision_jax.ops.inputs import normalize
from vision_jax.optim.optimizers import sgd
from vision_jax.pipelines.colours import UNIT
from vision_jax.tasks.generative import dequantised
from vision_jax.tasks.normalizing_flow import (
  NormalizingFlow,
  from_logits,
  to_logits,
)

KEY = jax.random.key(3)
MODELS = {
  "glow": lambda: Glow(2, depth=1, width=4),
  "realnvp": lambda: RealNVP(2, width=4, blocks=1),
}


def batch_of(size=4, side=4):
  rng = np.random.default_rng(0)
  grey = rng.integers(0, 256, (size, side, side, 1))
  return {
    "image": grey.astype(np.float32) / np.float32(255),
    "mask": np.ones(size, np.float32),
    "index": np.arange(size, dtype=np.int32),
  }


def nets(task, batch):
  variables = moved(task.model, batch["image"])
  return {"model": variables.pop("params")}, {"model": variables}


@pytest.mark.parametrize(
  ("fields", "message"),
  [
    ({"bins": 1}, "bins: got 1; expected at least 2 levels"),
    ({"alpha": 0.5}, "alpha: got 0.5; expected 0 or more and below a half"),
    ({"alpha": -0.1}, "alpha: got -0.1"),
  ],
)
def test_bad_values(fields, message):
  with pytest.raises(ValueError, match=message):
    NormalizingFlow(MODELS["glow"](), **fields)


def test_a_bad_temperature():
  task = NormalizingFlow(MODELS["glow"]())
  with pytest.raises(ValueError, match="temperature: got -1"):
    task.sample({}, {}, batch_of(), KEY, temperature=-1.0)


def test_levels_with_noise_are_their_parts_of_the_unit():
  image = np.float32([0, 1, 2, 3]) / 3
  low, high = (dequantised(image, noise, 4) for noise in (0.0, 0.999))
  np.testing.assert_allclose(low, [0, 0.25, 0.5, 0.75], atol=1e-6)
  assert (np.floor(high * 4) == [0, 1, 2, 3]).all() and high.max() < 1


def test_logits_are_scipys():
  x = np.float32([[0, 0.2, 0.999], [0.5, 0.7, 0.1]])
  y, log_det = to_logits(x, 0.05)
  p = 0.05 + 0.9 * x
  np.testing.assert_allclose(y, scipy.special.logit(p), rtol=1e-4, atol=1e-6)
  np.testing.assert_allclose(
    log_det, np.log(0.9 / (p * (1 - p))).sum(1), rtol=1e-5
  )
  np.testing.assert_allclose(from_logits(y, 0.05), x, atol=1e-6)
  again = from_logits(to_logits(x, 0)[0], 0)
  np.testing.assert_allclose(again, x, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "alpha"), [("glow", 0.05), ("realnvp", 0.0)])
def test_the_likelihood_is_autodiffs(name, alpha):
  """Of the noisy pixels, through logits and net, by the Jacobian."""
  task, batch = NormalizingFlow(MODELS[name](), alpha=alpha), batch_of(2)
  params, stats = nets(task, batch)
  out = jax.jit(task.predict)(params, stats, batch, KEY)
  noise = uniforms(batch, KEY, 16).reshape(2, 4, 4, 1)
  x = np.asarray(dequantised(batch["image"], noise))
  variables = {"params": params["model"], **stats["model"]}

  @jax.jit
  def flow(x):
    y = to_logits(x.reshape(1, 4, 4, 1), alpha)[0]
    return task.model.apply(variables, y)[0][0]

  want = []
  for each in x:
    jacobian = np.asarray(jax.jacfwd(flow)(each.reshape(-1)), np.float64)
    density = scipy.stats.norm.logpdf(flow(each.reshape(-1))).sum()
    want.append(density + np.linalg.slogdet(jacobian)[1])
  np.testing.assert_allclose(out["log_likelihood"], want, rtol=1e-3)
  np.testing.assert_allclose(out["image"], x, atol=1e-3)
  terms, _ = task.objectives[0].loss(
    params, stats, batch, KEY, step=0, train=False
  )
  bits = (-np.mean(want) + 16 * math.log(256)) / (16 * math.log(2))
  np.testing.assert_allclose(terms["bits_per_dim"].divide(), bits, rtol=1e-3)
  np.testing.assert_allclose(terms["nll"].divide(), -np.mean(want), rtol=1e-3)


@pytest.mark.slow
def test_samples_are_what_z_stands_for():
  task, batch = NormalizingFlow(MODELS["glow"](), alpha=0.0), batch_of(6)
  params, stats = nets(task, batch)
  draw = lambda **how: task.sample(params, stats, batch, KEY, **how)["image"]
  still = draw(temperature=0.0)
  np.testing.assert_allclose(still, np.broadcast_to(still[:1], still.shape))
  zeros = jnp.zeros((6, 16))
  variables = {"params": params["model"], **stats["model"]}
  image = task.model.apply(variables, zeros, (4, 4, 1), method="decode") + 0.5
  np.testing.assert_allclose(still, np.clip(image, 0, 1), atol=1e-6)
  row = draw(interpolate=3)
  np.testing.assert_allclose(row[2], row[3], atol=1e-4)
  np.testing.assert_allclose(row[0], draw()[0], atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_training_lowers_the_bits(name):
  task = NormalizingFlow(MODELS[name]())
  batch, optimizers = batch_of(16, 8), {"model": optax.adam(1e-2)}
  batch["image"] = np.round(batch["image"] ** 8 * 255) / np.float32(255)
  state = create_state(task, optimizers, jax.random.key(0), batch)
  step, bits = jax.jit(make_train_step(task, optimizers)), []
  for _ in range(60):
    state, logs = step(state, batch)
    bits.append(float(logs["bits_per_dim"]))
  assert np.isfinite(bits).all()
  assert np.mean(bits[-5:]) < bits[0] - 0.3


def flow(name="glow"):
  task = NormalizingFlow(MODELS[name]())
  optimizers = {"model": sgd(1e-2)}
  return lambda: digits(
    task, inputs=normalize(*UNIT), augment=None, optimizers=optimizers
  )


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_it_is_the_same_everywhere(name):
  assert_equal_everywhere(flow(name), rounding=1e-4)


@pytest.mark.slow
def test_it_resumes(tmp_path):
  assert_resumes(flow(), tmp_path)
