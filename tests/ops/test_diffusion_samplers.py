"""Samplers on normal data, whose best denoiser is known.

The denoised image is then affine in the noisy one, so the law of what a sampler
returns is normal, and follows exactly from its table.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vision_jax.ops import diffusion
from vision_jax.ops.diffusion.samplers import sampler_table

MEAN = np.array([0.5, -0.3])
COVARIANCE = np.array([[0.30, 0.18], [0.18, 0.20]])
SCHEDULE = diffusion.linear(1000)
SHAPE = (1, 2, 1)
CASES = {
  "ddpm_small": {"sampler": "ddpm", "variance": "small"},
  "ddpm_large": {"sampler": "ddpm", "variance": "large"},
  "ddim": {"sampler": "ddim"},
  "ddim_half": {"sampler": "ddim", "eta": 0.5},
  "ddim_one": {"sampler": "ddim", "eta": 1.0},
  "dpmpp": {"sampler": "dpmpp"},
  "heun": {"sampler": "heun"},
}
each = pytest.mark.parametrize("name", CASES)


def best_denoiser(x, t):
  """E[x0 | x_t] for normal data."""
  bar = jnp.asarray(SCHEDULE.alpha_bar, jnp.float32)[t]
  alpha, sigma2 = jnp.sqrt(bar)[:, None], (1 - bar)[:, None]
  values, vectors = np.linalg.eigh(COVARIANCE)
  gap = (x.reshape(-1, 2) - alpha * MEAN) @ vectors
  gain = alpha * values / (alpha**2 * values + sigma2)
  clean = MEAN + (gap * gain) @ vectors.T
  return diffusion.Denoised(clean.reshape(x.shape))


def law(table):
  """Mean and covariance of a sampler's result, by its table, in float64."""
  eye, zero = np.eye(2), np.zeros((2, 2))
  mean = np.zeros(6)  # of (x_n, x_{n-1}, D_{n-1})
  cov = np.zeros((6, 6))
  cov[:2, :2] = eye
  for t, keep, back, now, before, noise, _ in zip(*table, strict=True):
    bar = SCHEDULE.alpha_bar[t]
    total = bar * COVARIANCE + (1 - bar) * eye
    gain = np.sqrt(bar) * COVARIANCE @ np.linalg.inv(total)
    offset = MEAN - np.sqrt(bar) * gain @ MEAN
    step = np.block(
      [
        [keep * eye + now * gain, back * eye, before * eye],
        [eye, zero, zero],
        [gain, zero, zero],
      ]
    )
    mean = step @ mean + np.concatenate([now * offset, 0 * offset, offset])
    cov = step @ cov @ step.T
    cov[:2, :2] += noise**2 * eye
  return mean[:2], cov[:2, :2]


def error(name, steps):
  mean, cov = law(sampler_table(SCHEDULE, steps=steps, **CASES[name]))
  return np.abs(mean - MEAN).max(), np.abs(cov - COVARIANCE).max()


@each
def test_more_steps_come_closer(name):
  means, covs = zip(*(error(name, n) for n in (5, 20, 80, 320)), strict=True)
  assert all(b < a for a, b in itertools.pairwise(covs)), covs
  assert means[-1] < 2e-3 and covs[-1] < 1.5e-2, (means, covs)


@pytest.mark.parametrize("name", ["ddpm_small", "ddpm_large", "ddim"])
def test_all_steps_give_the_data(name):
  mean, cov = error(name, SCHEDULE.steps)
  assert mean < 2e-3 and cov < 5e-3  # x_T is not quite noise


@pytest.mark.parametrize("name", ["dpmpp", "heun"])
def test_second_order_needs_fewer_steps(name):
  for steps in (10, 20, 40):
    assert error(name, steps)[1] < error("ddim", steps)[1] / 2


@each
def test_samples_follow_the_law(name):
  """The compiled sampler draws what its table says, within sampling error."""
  n, steps = 20_000, 20
  draw = jax.jit(
    lambda keys: diffusion.sample(
      best_denoiser, SCHEDULE, keys, SHAPE, steps=steps, **CASES[name]
    )
  )
  x = np.asarray(draw(jax.random.split(jax.random.key(0), n)), np.float64)
  x = x.reshape(n, 2)
  mean, cov = law(sampler_table(SCHEDULE, steps=steps, **CASES[name]))
  variance = np.diag(cov)
  assert (np.abs(x.mean(0) - mean) < 4 * np.sqrt(variance / n)).all()
  spread = np.sqrt((np.outer(variance, variance) + cov**2) / n)
  assert (np.abs(np.cov(x.T) - cov) < 4.5 * spread).all()


@pytest.mark.parametrize("schedule", diffusion.SCHEDULES)
@pytest.mark.parametrize("sampler", diffusion.SAMPLERS)
@pytest.mark.parametrize("steps", [1, 2, 3, 20, 99, 100])
def test_times_decrease_from_noise_to_image(schedule, sampler, steps):
  table = sampler_table(diffusion.schedule(schedule, 100), sampler, steps)
  t = np.unique(table.t)
  assert len(t) == steps and (np.diff(table.t) <= 0).all()
  assert (t[0] == 0 or steps == 1) and t[-1] > 90
  assert all(np.isfinite(column).all() for column in table)


def test_ddim_with_all_the_noise_is_ddpm():
  a = sampler_table(SCHEDULE, "ddim", 50, eta=1.0)
  b = sampler_table(SCHEDULE, "ddpm", 50, variance="small")
  for x, y in zip(a, b, strict=True):
    np.testing.assert_allclose(x, y, atol=1e-6)


def test_a_step_of_ddpm_is_the_posterior():
  """With all steps, the table is the posterior's mean and beta."""
  from vision_jax.ops.diffusion.likelihood import posterior

  table = sampler_table(SCHEDULE, "ddpm", SCHEDULE.steps, variance="large")
  q = posterior(SCHEDULE)
  np.testing.assert_allclose(table.now, q.of_image[::-1], rtol=1e-4, atol=1e-7)
  np.testing.assert_allclose(table.keep, q.of_noisy[::-1], rtol=1e-4, atol=1e-7)
  deviation = np.sqrt(SCHEDULE.betas[::-1])
  np.testing.assert_allclose(table.noise[:-1], deviation[:-1], rtol=1e-5)
  assert table.noise[-1] == 0


@pytest.mark.parametrize(("end", "variance"), [(0.0, "small"), (1.0, "large")])
def test_a_learned_variance_reaches_both_ends(end, variance):
  keys = jax.random.split(jax.random.key(1), 3)

  def denoise(x, t):
    return best_denoiser(x, t)._replace(between=jnp.full(x.shape, end))

  learned = diffusion.sample(
    denoise, SCHEDULE, keys, SHAPE, sampler="ddpm", steps=9, variance="learned"
  )
  fixed = diffusion.sample(
    best_denoiser, SCHEDULE, keys, SHAPE, sampler="ddpm", steps=9,
    variance=variance,
  )  # fmt: skip
  np.testing.assert_allclose(learned, fixed, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["ddpm_large", "heun"])
def test_one_step_is_allowed(name):
  keys = jax.random.split(jax.random.key(1), 3)
  x = diffusion.sample(
    best_denoiser, SCHEDULE, keys, SHAPE, steps=1, **CASES[name]
  )
  assert x.shape == (3, *SHAPE) and np.isfinite(x).all()


def test_an_image_depends_on_its_key_alone():
  keys = jax.random.split(jax.random.key(0), 6)
  draw = lambda k: diffusion.sample(
    best_denoiser, SCHEDULE, k, SHAPE, sampler="ddpm", steps=5
  )
  np.testing.assert_allclose(draw(keys)[4:], draw(keys[4:]), rtol=1e-5)


@pytest.mark.parametrize(
  ("options", "message"),
  [
    ({"sampler": "dimm"}, "did you mean 'ddim'"),
    ({"steps": 1001}, r"expected 1 to 1000"),
    ({"steps": 0}, r"expected 1 to 1000"),
    ({"eta": 2.0}, r"eta: got 2.0"),
    ({"sampler": "ddpm", "variance": "big"}, "did you mean"),
  ],
)
def test_wrong_options_are_errors(options, message):
  keys = jax.random.split(jax.random.key(0), 1)
  with pytest.raises(ValueError, match=message):
    diffusion.sample(best_denoiser, SCHEDULE, keys, SHAPE, **options)


def test_sampling_is_one_loop_in_one_program():
  """One scan, whose body evaluates once; nothing goes to the host."""
  keys = jax.random.split(jax.random.key(0), 4)
  calls = []

  def denoise(x, t):
    calls.append(0)
    return best_denoiser(x, t)

  for name in CASES:
    calls.clear()
    text = str(
      jax.make_jaxpr(
        lambda k, name=name: diffusion.sample(
          denoise, SCHEDULE, k, SHAPE, steps=50, **CASES[name]
        )
      )(keys)
    )
    assert text.count("scan[") == 1 and "callback" not in text
    assert len(calls) == 1


@pytest.mark.parametrize("steps", [1, 10, 100])
def test_quadratic_times_are_those_of_ddims_cifar10(steps):
  """The authors' loop, in float64: quadratic times, x0 not clipped."""
  alphas = SCHEDULE.alpha_bar
  seq = [int(s) for s in np.linspace(0, np.sqrt(800), steps) ** 2]
  start = np.random.default_rng(0).normal(size=(2, 4, 4, 1))
  x = start
  for i, j in zip(reversed(seq), reversed([-1, *seq[:-1]]), strict=True):
    now, after = alphas[i], alphas[j] if j >= 0 else 1.0
    clean = 0.5 * x + 1.5 + i / 1000  # outside [-1, 1]
    eps = (x - np.sqrt(now) * clean) / np.sqrt(1 - now)
    x = np.sqrt(after) * clean + np.sqrt(1 - after) * eps
  assert np.abs(x).max() > 1
  got = diffusion.sample(
    lambda x, t: diffusion.Denoised(
      0.5 * x + 1.5 + t[:, None, None, None] / 1000
    ),
    SCHEDULE,
    jax.random.split(jax.random.key(0), 2),
    (4, 4, 1),
    sampler="ddim",
    steps=steps,
    spacing="quadratic",
    start=jnp.asarray(start, jnp.float32),
  )
  np.testing.assert_allclose(got, x, rtol=1e-3, atol=1e-3)


def test_spacing_is_of_ddim_alone():
  for sampler, spacing in (("ddpm", "quadratic"), ("ddim", "quadratik")):
    with pytest.raises(ValueError, match="spacing"):
      sampler_table(SCHEDULE, sampler, 5, spacing=spacing)
