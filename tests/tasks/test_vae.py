"""Variational autoencoders: likelihoods, bounds, the task."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.stats

from tests.oracles import library
from tests.programs.command import call, metrics
from vision_jax.core.state import create_state
from vision_jax.core.step import make_train_step
from vision_jax.losses import likelihood
from vision_jax.losses.likelihood import (
  Bernoulli,
  DiscretisedLogistic,
  Gaussian,
)
from vision_jax.metrics.likelihood import ImportanceBound
from vision_jax.models.count import parameters
from vision_jax.models.generation.autoencoder import DenseDecoder, DenseEncoder
from vision_jax.models.generation.vae import VAE, conv_vae, dense_vae
from vision_jax.tasks.vae import VariationalAutoencoding

RNG = np.random.default_rng(0)
PIXELS = {
  "stochastic": Bernoulli(),
  "threshold": Bernoulli(),
  "binary": Bernoulli(),
  "dequantised": Gaussian(),
  "real": Gaussian(0.3),
  "levels": DiscretisedLogistic(),
}


def batch_of(size=8, seed=0, classes=4):
  rng = np.random.default_rng(seed)
  return {
    "image": np.round(rng.random((size, 8, 8, 1)) * 255).astype(np.float32)
    / np.float32(255),
    "label": rng.integers(0, classes, size).astype(np.int32),
    "mask": np.ones(size, np.float32),
    "index": np.arange(size, dtype=np.int32),
  }


def small(pixels="stochastic", make=dense_vae, num_classes=4, **options):
  size = {"hidden": (16,)} if make is dense_vae else {"widths": (4, 8)}
  model = make(
    (8, 8, 1),
    latent=3,
    outputs=PIXELS[pixels].outputs,
    num_classes=num_classes,
    **size,
  )
  return VariationalAutoencoding(model, PIXELS[pixels], pixels, **options)


def test_the_mnist_model_has_the_papers_layers():
  layers = [(784, 200), (200, 200), (200, 100)]
  layers += [(50, 200), (200, 200), (200, 784)]
  expected = sum(a * b + b for a, b in layers)
  assert parameters(dense_vae((28, 28, 1)), (1, 28, 28, 1)) == expected


def test_a_mean_code_is_scored_as_torch_does():
  """Grey levels too, by a model whose moments have a layer each."""
  torch = library("torch")
  model = dense_vae((8, 8, 1), latent=3, hidden=(5,), heads=("mean", "log_sd"))
  task = VariationalAutoencoding(model, Bernoulli(), "binary")
  batch = batch_of(4)
  params, stats = task.init(jax.random.key(0), batch)
  assert set(params["model"]["encoder"]) == {"dense1", "mean", "log_sd"}
  got = task.at_mean(params, stats, batch, None)["nll_mean_code"]
  given = {"params": params["model"]}
  moments = model.apply(given, batch["image"], method="encode")
  mean, log_sd = (torch.tensor(np.asarray(x)) for x in moments)
  logits = model.apply(given, moments[0], method="decode")
  paid = torch.nn.functional.binary_cross_entropy_with_logits(
    torch.tensor(np.asarray(logits)),
    torch.tensor(batch["image"]),
    reduction="none",
  )
  normal = torch.distributions.Normal
  kl = torch.distributions.kl_divergence(
    normal(mean, log_sd.exp()), normal(torch.zeros(3), torch.ones(3))
  )
  expected = paid.sum((1, 2, 3)) + kl.sum(1)
  np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_bernoulli_is_scipys():
  logits, x = RNG.normal(size=50) * 5, RNG.integers(0, 2, 50)
  expected = scipy.stats.bernoulli(1 / (1 + np.exp(-logits))).logpmf(x)
  got = likelihood.bernoulli(jnp.asarray(logits), jnp.asarray(x))
  np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6)
  mean = Bernoulli().mean(jnp.asarray(logits))
  np.testing.assert_allclose(mean, 1 / (1 + np.exp(-logits)), rtol=1e-5)


@pytest.mark.parametrize("sd", [None, 0.3])
def test_gaussian_is_scipys(sd):
  mean, log_sd = RNG.normal(size=(2, 5, 4)).astype(np.float32)
  x = RNG.normal(size=(5, 4)).astype(np.float32)
  out = mean if sd else np.concatenate([mean, log_sd], -1)
  expected = scipy.stats.norm(mean, sd or np.exp(log_sd)).logpdf(x)
  got = Gaussian(sd).log_prob(out, x)
  np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)
  np.testing.assert_array_equal(Gaussian(sd).mean(out), mean)


def test_discretised_logistic_is_scipys():
  levels = 16
  x = np.tile(np.arange(levels) / (levels - 1), (40, 1))
  mean = RNG.uniform(-0.2, 1.2, (40, 1)) + 0 * x
  log_scale = RNG.uniform(-4, 1, (40, 1)) + 0 * x
  exact = scipy.stats.logistic(mean, np.exp(log_scale))
  half = 0.5 / (levels - 1)
  upper = np.where(x == 1, 1, exact.cdf(x + half))
  lower = np.where(x == 0, 0, exact.cdf(x - half))
  out = np.concatenate([mean, log_scale], -1).astype(np.float32)
  got = np.asarray(DiscretisedLogistic(levels).log_prob(out, x), np.float64)
  # scipy's difference cancels where little is left.
  np.testing.assert_allclose(np.exp(got), upper - lower, rtol=2e-3, atol=1e-6)
  np.testing.assert_allclose(np.exp(got).sum(-1), 1, rtol=1e-4)


def test_discretised_logistic_is_finite_far_away():
  out = jnp.array([[30.0, -20.0], [-30.0, -20.0], [0.0, 30.0]])
  x = jnp.full((3, 1), 0.5)
  score = lambda out: DiscretisedLogistic().log_prob(out, x).sum()
  assert np.isfinite(score(out)) and np.isfinite(jax.grad(score)(out)).all()


def test_the_divergence_is_torchs():
  torch = library("torch")
  mean, log_sd = RNG.normal(size=(2, 20)).astype(np.float32)
  normal = torch.distributions.Normal
  expected = torch.distributions.kl_divergence(
    normal(torch.tensor(mean), torch.tensor(log_sd).exp()), normal(0.0, 1.0)
  )
  got = likelihood.normal_divergence(mean, log_sd)
  np.testing.assert_allclose(got, expected.numpy(), rtol=1e-4, atol=1e-5)


def linear_gaussian():
  """p(x | z) = N(Wz + m, s²) with a q that is not the posterior."""
  rng = np.random.default_rng(3)
  w, m, s = rng.normal(size=(2, 4)), rng.normal(size=4), 0.7
  model = VAE(DenseEncoder(4, ()), DenseDecoder((2, 2, 1), ()))
  task = VariationalAutoencoding(model, Gaussian(s), "real")
  covariance = w.T @ w + s**2 * np.eye(4)
  posterior = np.linalg.inv(np.eye(2) + w @ w.T / s**2)
  gain = w.T @ np.linalg.inv(w @ w.T + s**2 * np.eye(2))
  sd = np.sqrt(np.diag(posterior))
  head = {
    "kernel": np.concatenate([gain, np.zeros((4, 2))], 1),
    "bias": np.concatenate([-m @ gain, np.log(1.3 * sd)]),
  }
  params = {
    "encoder": {"head": head},
    "decoder": {"head": {"kernel": w, "bias": m}},
  }
  params = jax.tree.map(lambda x: np.asarray(x, np.float32), params)
  x = rng.multivariate_normal(m, covariance, 200)
  exact = scipy.stats.multivariate_normal(m, covariance).logpdf(x)
  batch = batch_of(200) | {"image": x.reshape(-1, 2, 2, 1).astype(np.float32)}
  return task, {"model": params}, batch, exact


def test_the_bound_rises_to_the_exact_likelihood():
  task, params, batch, exact = linear_gaussian()
  bound = lambda k: np.asarray(
    jax.jit(task.bound(k))(params, {}, batch, jax.random.key(0))[
      "log_likelihood"
    ]
  )
  means = [bound(k).mean() for k in (1, 5, 50)]
  assert means[0] < means[1] - 0.01 and means[1] < means[2]
  assert means[2] < exact.mean() + 0.02
  np.testing.assert_allclose(bound(5000), exact, atol=0.1)
  np.testing.assert_allclose(bound(5000).mean(), exact.mean(), atol=0.005)


def test_the_bound_of_one_sample_is_the_evidence_bound_on_average():
  task, params, batch, _ = linear_gaussian()
  key = jax.random.key(0)
  terms, _ = jax.jit(
    functools.partial(task.objectives[0].loss, step=0, train=True)
  )(params, {}, batch, key)
  sampled = jax.jit(task.bound(1))(params, {}, batch, key)["log_likelihood"]
  elbo = -float(terms["negative_elbo"].divide())
  assert abs(elbo - sampled.mean()) < 0.25
  total = terms["reconstruction"].divide() + terms["kl"].divide()
  np.testing.assert_allclose(total, -elbo, rtol=1e-5)


def test_chunks_do_not_change_the_bound():
  task = small()
  batch, key = batch_of(), jax.random.key(1)
  params, stats = jax.jit(task.init)(key, batch)
  a, b = (
    jax.jit(task.bound(12, c))(params, stats, batch, key) for c in (3, 12)
  )
  np.testing.assert_allclose(
    a["log_likelihood"], b["log_likelihood"], rtol=1e-5
  )
  with pytest.raises(ValueError, match="10 in chunks of 3"):
    task.bound(10, 3)


def test_the_trained_bound_is_the_evaluated_one():
  task = small(samples=5)
  batch, key = batch_of(), jax.random.key(1)
  params, stats = jax.jit(task.init)(key, batch)
  terms, _ = jax.jit(
    functools.partial(task.objectives[0].loss, step=0, train=True)
  )(params, stats, batch, key)
  scored = jax.jit(task.bound(5))(params, stats, batch, key)
  mean = np.mean(scored["log_likelihood"])
  np.testing.assert_allclose(terms["negative_bound"].divide(), -mean, rtol=1e-5)
  metric = ImportanceBound(5)
  sums, rows = metric.measure((), scored, batch)
  metrics = metric.result(sums, rows)
  np.testing.assert_allclose(metrics["nll_k5"], -mean, rtol=1e-5)
  bits = -mean / 64 / math.log(2)
  np.testing.assert_allclose(metrics["bits_per_dim_k5"], bits, rtol=1e-5)
  np.testing.assert_allclose(terms["bits_per_dim"].divide(), bits, rtol=1e-5)


def test_pixels_outside_the_range_are_an_error_in_an_evaluation():
  batch = batch_of()
  batch["image"] = batch["image"] * 255
  metric = ImportanceBound(1)
  sums, _ = metric.measure((), {"log_likelihood": jnp.zeros(8)}, batch)
  with pytest.raises(ValueError, match=r"outside \[0, 1\]"):
    metric.result(sums, {})


def test_binarisation_is_as_stated():
  batch, key = batch_of(400), jax.random.key(0)
  image = batch["image"]
  drawn = np.asarray(small("stochastic").scored(batch, key))
  assert set(np.unique(drawn)) == {0, 1}
  np.testing.assert_allclose((drawn - image).mean(0), 0, atol=0.12)
  again = small("stochastic").scored(batch, jax.random.key(1))
  assert (again != drawn).any()
  half = {k: v[200:] for k, v in batch.items()}
  np.testing.assert_array_equal(small().scored(half, key), drawn[200:])
  np.testing.assert_array_equal(
    small("threshold").scored(batch, key), image > 0.5
  )
  spread = np.asarray(small("dequantised").scored(batch, key))
  noise = spread * 256 - np.round(image * 255)
  assert noise.min() > -1e-4 and noise.max() < 1 + 1e-4
  np.testing.assert_allclose(noise.mean(), 0.5, atol=0.01)


def test_bits_of_a_dequantised_density_are_of_256_levels():
  """The uniform density of [0, 1] takes 8 bits a value."""
  got = small("dequantised").bits(jnp.zeros(1), 64)
  assert float(got[0]) == 8


@pytest.mark.parametrize(
  ("pixels", "make"),
  [*((pixels, dense_vae) for pixels in PIXELS), ("stochastic", conv_vae)],
)
def test_every_likelihood_gives_finite_terms_and_gradients(pixels, make):
  task, batch = small(pixels, make), batch_of()
  params, stats = jax.jit(task.init)(jax.random.key(0), batch)

  def loss(params):
    terms, _ = task.objectives[0].loss(
      params, stats, batch, jax.random.key(0), step=0, train=True
    )
    weights = task.objectives[0].weights
    return sum(w * terms[k].divide() for k, w in weights.items())

  value, grads = jax.jit(jax.value_and_grad(loss))(params)
  assert np.isfinite(value)
  for path, grad in jax.tree_util.tree_leaves_with_path(grads):
    assert np.isfinite(grad).all() and np.abs(grad).max() > 0, path
  out = jax.jit(task.predict)(params, stats, batch, jax.random.key(0))
  assert out["image"].shape == (8, 8, 8, 1) and out["latent"].shape == (8, 3)


def test_a_sample_depends_on_index_label_and_key_alone():
  task, batch = small(), batch_of()
  params, stats = jax.jit(task.init)(jax.random.key(0), batch)
  draw = lambda b: np.asarray(
    jax.jit(task.sample)(params, stats, b, jax.random.key(2))["image"]
  )
  whole = draw(batch)
  assert whole.min() >= 0 and whole.max() <= 1 and whole.std(0).max() > 0
  half = {k: v[4:] for k, v in batch.items()} | {"image": np.zeros((4, 1))}
  np.testing.assert_allclose(draw(half), whole[4:], atol=1e-6)
  other = batch | {"label": (batch["label"] + 1) % 4}
  assert np.abs(draw(other) - whole).max() > 1e-3


@pytest.mark.parametrize("pixels", ["threshold", "stochastic"])
def test_an_interpolation_goes_from_one_prediction_to_the_other(pixels):
  task = small(pixels, num_classes=0)
  first, second = batch_of(seed=0), batch_of(seed=1)
  params, stats = jax.jit(task.init)(jax.random.key(0), first)
  path = jax.jit(task.interpolate, static_argnames="steps")(
    params, stats, first, second, jax.random.key(0), steps=5
  )
  assert path.shape == (8, 5, 8, 8, 1)
  predict = jax.jit(task.predict)
  for end, batch in ((0, first), (-1, second)):
    own = predict(params, stats, batch, jax.random.key(0))["image"]
    np.testing.assert_allclose(path[:, end], own, atol=1e-6)


@pytest.mark.parametrize("samples", [1, 5])
def test_it_learns_one_batch(samples):
  task, batch = small("threshold", samples=samples), batch_of()
  optimizers = {"model": optax.adam(1e-2)}
  state = jax.jit(
    lambda: create_state(task, optimizers, jax.random.key(0), batch)
  )()
  step = jax.jit(make_train_step(task, optimizers))
  losses = []
  for _ in range(100):
    state, logs = step(state, batch)
    losses.append(float(logs["loss"]))
  assert np.mean(losses[-10:]) < 0.8 * losses[0]


def test_a_costly_bound_is_measured_at_the_end_alone(tmp_path):
  flags = ("--config=configs/generation/mnist_vae.py:tiny", "--config.steps=4")
  flags = (*flags, "--config.eval_every=2", f"--workdir={tmp_path}")
  assert call(*flags, devices=1).code == 0
  lines = {line["step"]: line for line in metrics(tmp_path)}
  assert "test/negative_elbo" in lines[2] and "bound/nll_k10" not in lines[2]
  assert "test/negative_elbo" in lines[4] and "bound/nll_k10" in lines[4]


def test_beta_weighs_the_divergence():
  assert small(beta=4.0).objectives[0].weights["kl"] == 4


@pytest.mark.parametrize(
  ("make", "message"),
  [
    (lambda: small(beta=2.0, samples=5), "1 with more than one sample"),
    (lambda: small(beta=-1.0), "expected >= 0"),
    (lambda: small(samples=0), "at least 1"),
    (lambda: Gaussian(0.0), "expected > 0"),
    (lambda: DiscretisedLogistic(1), "at least 2"),
    (
      lambda: VariationalAutoencoding(
        dense_vae((8, 8, 1)), Bernoulli(), "levels"
      ),
      "with Bernoulli; expected one of stochastic, threshold, binary",
    ),
    (
      lambda: VariationalAutoencoding(
        dense_vae((8, 8, 1)), Bernoulli(), "stocastic"
      ),
      "did you mean 'stochastic'",
    ),
    (
      lambda: small().sample(
        {}, {}, {"index": np.arange(2)}, jax.random.key(0)
      ),
      "needs `label`",
    ),
  ],
)  # fmt: skip
def test_wrong_options_are_errors(make, message):
  with pytest.raises(ValueError, match=message):
    make()
