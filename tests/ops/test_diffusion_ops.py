"""Schedules, predictions, weights and the bound, against their formulas."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from tests.oracles import library
from vision_jax.ops import diffusion
from vision_jax.ops.diffusion import likelihood
from vision_jax.ops.diffusion.noise import times

KINDS = ("eps", "x0", "v")


@pytest.mark.parametrize("steps", [10, 100, 1000])
@pytest.mark.parametrize("name", diffusion.SCHEDULES)
def test_a_schedule_goes_from_image_to_noise(name, steps):
  schedule = diffusion.schedule(name, steps)
  assert schedule.steps == steps and schedule.alpha_bar.dtype == np.float64
  assert schedule.alpha_bar[0] > 0.9 and schedule.alpha_bar[-1] < 1e-2
  np.testing.assert_allclose(schedule.alpha**2 + schedule.sigma**2, 1)
  np.testing.assert_allclose(np.cumprod(1 - schedule.betas), schedule.alpha_bar)
  assert (schedule.betas > 0).all() and (schedule.betas <= 1).all()


def test_the_linear_schedule_is_the_papers():
  schedule = diffusion.linear()
  np.testing.assert_allclose(schedule.betas[[0, -1]], [1e-4, 0.02], rtol=1e-9)
  # The value that the paper's L_T of at most 1e-5 bits comes from.
  np.testing.assert_allclose(schedule.alpha_bar[-1], 4.0358e-5, rtol=1e-4)


def test_the_cosine_schedule_is_a_squared_cosine():
  t = np.arange(1001) / 1000
  f = np.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2
  got = diffusion.cosine().alpha_bar
  np.testing.assert_allclose(got[:990], (f / f[0])[1:991], rtol=1e-9)
  assert diffusion.cosine().betas.max() <= 0.999 + 1e-12


def test_the_sigmoid_schedule_is_symmetric():
  bar = diffusion.sigmoid(1000).alpha_bar
  np.testing.assert_allclose(bar[499], 0.5, atol=1e-9)
  np.testing.assert_allclose(bar[:498] + bar[498:996][::-1], 1, atol=5e-3)


@pytest.mark.parametrize(
  ("call", "message"),
  [
    (lambda: diffusion.schedule("cosin"), r"did you mean 'cosine'"),
    (lambda: diffusion.linear(0), "at least 1"),
    (lambda: diffusion.Schedule(np.array([0.5, 0.6])), "decrease"),
    (lambda: diffusion.Schedule(np.array([1.0, 0.5])), r"within \(0, 1\)"),
  ],
)
def test_a_wrong_schedule_is_an_error(call, message):
  with pytest.raises(ValueError, match=message):
    call()


@pytest.mark.parametrize("kind", KINDS)
def test_the_target_gives_the_image_back(kind):
  rng = np.random.default_rng(0)
  schedule, t = diffusion.cosine(1000), np.array([0, 100, 500, 900])
  x0, eps = rng.normal(size=(2, 4, 3, 3, 1)).astype(np.float32)
  levels = schedule.levels(t)
  x = levels[0] * x0 + levels[1] * eps
  target = diffusion.to_prediction(kind, x0, eps, *levels)
  got = diffusion.to_x0(kind, target, x, *levels)
  np.testing.assert_allclose(got, x0, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("weighting", diffusion.WEIGHTINGS)
def test_weightings_mean_the_same_for_every_prediction(weighting):
  """All but "uniform" weigh the error of x0, whatever is predicted."""
  rng = np.random.default_rng(0)
  schedule, t = diffusion.linear(1000), np.array([10, 300, 700])
  x0, guess, eps = rng.normal(size=(3, 3, 2, 2, 1))
  alpha, sigma = (np.asarray(v, np.float64) for v in schedule.levels(t))
  x = alpha * x0 + sigma * eps
  losses = {}
  for kind in KINDS:
    wrong = (x - alpha * guess) / sigma  # the noise that `guess` means
    gap = diffusion.to_prediction(kind, guess, wrong, alpha, sigma)
    gap = gap - diffusion.to_prediction(kind, x0, eps, alpha, sigma)
    weight = diffusion.loss_weight(
      schedule, t, prediction=kind, weighting=weighting
    )
    losses[kind] = weight * np.mean(gap**2, (1, 2, 3))
  snr = schedule.snr[t]
  if weighting == "uniform":
    np.testing.assert_allclose(losses["eps"], snr * losses["x0"], rtol=1e-4)
  else:
    np.testing.assert_allclose(losses["eps"], losses["x0"], rtol=1e-4)
    np.testing.assert_allclose(losses["v"], losses["x0"], rtol=1e-4)
  if weighting == "min_snr":
    mse = np.mean((guess - x0) ** 2, (1, 2, 3))
    np.testing.assert_allclose(losses["x0"], np.minimum(snr, 5) * mse, 1e-4)


@pytest.mark.parametrize(
  ("options", "message"),
  [
    ({"prediction": "epsilon", "weighting": "snr"}, "did you mean 'eps'"),
    ({"prediction": "v", "weighting": "minsnr"}, "did you mean 'min_snr'"),
  ],
)
def test_an_unknown_option_names_the_nearest(options, message):
  with pytest.raises(ValueError, match=message):
    diffusion.loss_weight(diffusion.linear(), jnp.zeros(1, int), **options)


def test_times_are_even_over_a_batch_and_do_not_depend_on_shards():
  key, index = jax.random.key(3), jnp.arange(64) + 1_000_000
  t = np.asarray(times(key, index, 1000))
  halves = [times(key, part, 1000) for part in (index[:32], index[32:])]
  np.testing.assert_array_equal(t, np.concatenate(halves))
  assert t.min() >= 0 and t.max() < 1000
  gaps = np.diff(np.sort(np.append(t, t.min() + 1000)))
  assert gaps.max() < 3 * 1000 / 64
  many = [times(jax.random.key(i), index[:1], 10)[0] for i in range(300)]
  counts = np.bincount(many, minlength=10)
  assert stats.chisquare(counts).pvalue > 1e-4


def test_kl_of_normals_is_torchs():
  torch = library("torch")
  rng = np.random.default_rng(0)
  m1, v1, m2, v2 = rng.normal(size=(4, 50))
  normal = lambda m, v: torch.distributions.Normal(
    torch.tensor(m), torch.tensor(np.exp(0.5 * v))
  )
  expected = torch.distributions.kl_divergence(normal(m1, v1), normal(m2, v2))
  got = likelihood.normal_kl(*(jnp.asarray(a) for a in (m1, v1, m2, v2)))
  np.testing.assert_allclose(got, expected.numpy(), rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("log_variance", [-9.0, -4.0, 0.0])
def test_the_binned_normal_sums_to_one(log_variance):
  values = jnp.linspace(-1, 1, 256)
  log_p = likelihood.discretised_log_likelihood(values, 0.37, log_variance)
  np.testing.assert_allclose(np.exp(log_p).sum(), 1, rtol=1e-4)


def test_the_posterior_is_bayes_rule():
  """Completing the square of q(x_t | x_{t-1}) q(x_{t-1} | x0), by hand."""
  schedule = diffusion.linear(50)
  q, t = likelihood.posterior(schedule), 20
  beta, before = schedule.betas[t], schedule.alpha_bar[t - 1]
  precision = (1 - beta) / beta + 1 / (1 - before)
  np.testing.assert_allclose(q.log_small[t], -np.log(precision), rtol=1e-9)
  np.testing.assert_allclose(
    q.of_noisy[t], np.sqrt(1 - beta) / beta / precision, rtol=1e-9
  )
  np.testing.assert_allclose(
    q.of_image[t], np.sqrt(before) / (1 - before) / precision, rtol=1e-9
  )


def perfect(x0, between=None):
  """A denoiser that knows the answer."""
  return lambda x, t: diffusion.Denoised(x0, between)


@pytest.mark.parametrize("variance", ["small", "large"])
def test_the_bound_of_a_perfect_denoiser_is_that_of_its_variances(variance):
  schedule = diffusion.linear(20)
  x0 = jnp.asarray(np.random.default_rng(0).integers(0, 256, (3, 4, 4, 1)))
  x0 = x0 / 127.5 - 1
  keys = jax.random.split(jax.random.key(0), 3)
  got = jax.jit(
    lambda: diffusion.bits_per_dim(
      perfect(x0), schedule, x0, keys, variance=variance
    )
  )()
  q = likelihood.posterior(schedule)
  ratio = np.exp(q.log_small - q.log_large)[1:]
  kl = 0.5 * (ratio - 1 - np.log(ratio)) if variance == "large" else 0 * ratio
  alpha_bar = schedule.alpha_bar[-1]
  prior = 0.5 * (alpha_bar * np.square(x0) - alpha_bar - np.log1p(-alpha_bar))
  nearest = stats.norm.cdf(1 / 255, scale=np.exp(q.log_small[0] / 2))
  inner = -np.log(2 * nearest - 1)
  outer = np.abs(np.asarray(x0)) > 0.999
  decode = np.where(outer, -np.log(nearest), inner)
  expected = (kl.sum() + prior + decode).mean((1, 2, 3)) / math.log(2)
  np.testing.assert_allclose(got["bits_per_dim"], expected, rtol=1e-3)
  np.testing.assert_allclose(
    got["prior_bits"], prior.mean((1, 2, 3)) / math.log(2), rtol=1e-3
  )


def test_the_learned_variance_lies_between_the_two():
  schedule, t = diffusion.linear(20), jnp.array([7, 7])
  x0 = jnp.zeros((2, 2, 2, 1))
  bits = lambda between, variance="large": likelihood.step_bits(
    schedule, x0, x0 + 0.3, t, x0 + 0.1, between, variance=variance
  )
  ends = [bits(jnp.full_like(x0, p)) for p in (0.0, 1.0)]
  np.testing.assert_allclose(ends[0], bits(None, "small"), rtol=1e-5)
  np.testing.assert_allclose(ends[1], bits(None, "large"), rtol=1e-5)


def test_some_terms_of_the_bound_are_an_unbiased_estimate():
  schedule = diffusion.linear(20)
  x0 = jnp.broadcast_to(
    jnp.linspace(-1, 1, 4).reshape(1, 2, 2, 1), (400, 2, 2, 1)
  )
  x0 = jnp.round((x0 + 1) * 127.5) / 127.5 - 1
  keys = jax.random.split(jax.random.key(0), 400)
  bound = lambda terms: diffusion.bits_per_dim(
    lambda x, t: diffusion.Denoised(x0 + 0.05), schedule, x0, keys, terms=terms
  )["bits_per_dim"]
  whole, some = bound(None), bound(4)
  error = np.std(some) / 20
  assert abs(np.mean(some) - np.mean(whole)) < 4 * error
  with pytest.raises(ValueError, match="divisor of the 20"):
    bound(3)
