"""Paths in continuous time: levels, conversions, and the order of solvers.

Of normal data N(m, s²) the best denoiser is known, and so is the flow: it takes
x_t = alpha m + sqrt(alpha² s² + sigma²) z to the same z at every time.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vision_jax.ops import diffusion
from vision_jax.ops.diffusion import conversions, grids, paths
from vision_jax.ops.diffusion.densities import Density
from vision_jax.ops.diffusion.noise import shares
from vision_jax.ops.diffusion.samplers import solver_table

MEAN, DEVIATION = 0.4, 0.6
each = pytest.mark.parametrize("name", diffusion.PATHS)
T = np.array([0.05, 0.3, 0.5, 0.9])


@each
def test_levels_begin_at_the_image_and_end_in_noise(name):
  path = diffusion.path(name)
  alpha, sigma = paths.host_levels(path, np.linspace(0, 1, 101))
  assert (np.diff(alpha) <= 0).all() and (np.diff(sigma) > 0).all()
  assert alpha[0] == 1 and sigma[0] < 0.00201
  assert alpha[-1] < 0.015 * sigma[-1]
  if name in ("variance_preserving", "circular"):
    np.testing.assert_allclose(alpha**2 + sigma**2, 1, rtol=1e-11)


@each
def test_a_time_is_found_by_its_ratio(name):
  path = diffusion.path(name)
  alpha, sigma = paths.host_levels(path, T)
  np.testing.assert_allclose(path.time(sigma / alpha), T, rtol=1e-9)


@each
def test_levels_have_their_rates(name):
  """Against differences, in float64."""
  path, step = diffusion.path(name), 1e-6
  levels = path.levels(jnp.asarray(T), ndim=2)
  after, before = (paths.host_levels(path, T + d) for d in (step, -step))
  rates = [(a - b) / (2 * step) for a, b in zip(after, before, strict=True)]
  wanted = [*paths.host_levels(path, T), *rates]
  for got, expected in zip(levels, wanted, strict=True):
    assert got.shape == (4, 1) and got.dtype == jnp.float32
    np.testing.assert_allclose(got[:, 0], expected, rtol=2e-5, atol=1e-6)


def test_the_variance_is_that_of_ddpms_betas():
  """Of which the continuous path is the limit."""
  path, schedule = paths.VariancePreserving(), diffusion.linear(1000)
  alpha, _ = paths.host_levels(path, np.arange(1, 1001) / 1000)
  np.testing.assert_allclose(alpha, schedule.alpha, rtol=0.03, atol=1e-3)


def test_edms_levels_are_the_papers():
  """Equation 5, with the ends and the power of its table 1."""
  n = 18
  grid = grids.path_grid(diffusion.path("edm"), n)
  low, high = 0.002 ** (1 / 7), 80 ** (1 / 7)
  wanted = (high + np.arange(n) / (n - 1) * (low - high)) ** 7
  np.testing.assert_allclose(grid.sigma, np.append(wanted, 0), rtol=1e-12)
  seen = diffusion.path("edm").seen(jnp.asarray(grid.t))
  np.testing.assert_allclose(seen, np.log(wanted) / 4, rtol=1e-4, atol=1e-5)


@each
@pytest.mark.parametrize("kind", conversions.CONVERTED)
def test_predictions_convert_both_ways(name, kind):
  rng = np.random.default_rng(0)
  x0, eps = jnp.asarray(rng.normal(size=(2, 4, 3)), jnp.float32)
  levels = diffusion.path(name).levels(T, ndim=2)
  x = levels.alpha * x0 + levels.sigma * eps
  out = conversions.prediction(kind, x0, eps, levels)
  image, noise = conversions.parted(kind, out, x, levels)
  ratio = np.maximum(levels.sigma / levels.alpha, 1)
  assert (np.abs(image - x0) < 2e-5 * ratio).all()
  assert (np.abs(noise - eps) < 2e-5 * np.maximum(1 / levels.sigma, 1)).all()
  again = conversions.prediction(kind, image, noise, levels)
  size = np.maximum(np.abs(out), 1)
  assert (np.abs(again - out) < 1e-4 * size / levels.sigma).all()


def test_predictions_mean_what_they_are_called():
  """By hand, at t = 0.25 of the straight path, of x0 = 2 and eps = -1."""
  levels = diffusion.path("rectified").levels(jnp.array([0.25]), ndim=1)
  x0, eps = jnp.array([2.0]), jnp.array([-1.0])
  of = lambda kind: float(conversions.prediction(kind, x0, eps, levels)[0])
  assert [of("x0"), of("eps"), of("velocity")] == [2, -1, -3]
  assert of("score") == 4 and of("v") == pytest.approx(0.75 * -1 - 0.25 * 2)


def test_the_preconditioning_is_the_papers():
  """Table 1 of EDM: D = skip x + out F(in x), of data of deviation 0.5."""
  path = diffusion.path("edm")
  levels = path.levels(jnp.asarray(T), ndim=2)
  sigma = np.asarray(levels.sigma, np.float64)
  total = sigma**2 + 0.25
  rng = np.random.default_rng(0)
  x, out = rng.normal(size=(2, 4, 3))
  image, _ = conversions.parted("edm", out, x, levels)
  wanted = 0.25 / total * x + sigma * 0.5 / np.sqrt(total) * out
  np.testing.assert_allclose(image, wanted, rtol=1e-4, atol=1e-6)
  scale = conversions.input_scale("edm", levels)
  np.testing.assert_allclose(scale, 1 / np.sqrt(total), rtol=1e-5)


def denoised(alpha, sigma, x):
  """E[x0 | x_t] of normal data, in float64."""
  gain = alpha * DEVIATION**2 / (alpha**2 * DEVIATION**2 + sigma**2)
  return MEAN + gain * (x - alpha * MEAN)


def error(path, solver, steps, spacing):
  """How far from the flow's end a solver's table goes, in float64."""
  grid = grids.path_grid(path, steps, spacing)
  alpha, sigma = grid.alpha[0], grid.sigma[0]
  x = sigma * 1.5
  z = (x - alpha * MEAN) / np.hypot(alpha * DEVIATION, sigma)
  stops = {float(t): i for i, t in enumerate(grid.t)}
  x_before = clean_before = 0.0
  table = solver_table(path, solver, steps, spacing)
  for t, *row in zip(*(c.astype(np.float64) for c in table), strict=True):
    keep, back, now, before, _, _ = row
    i = stops[float(t)]
    clean = denoised(grid.alpha[i], grid.sigma[i], x)
    new = keep * x + back * x_before + now * clean + before * clean_before
    x, x_before, clean_before = new, x, clean
  return abs(x - (MEAN + DEVIATION * z))


ORDERS = {"euler": 1, "heun": 2, "dpmpp": 2}


@pytest.mark.parametrize("solver", diffusion.SOLVERS)
@each
def test_solvers_converge_at_their_order(name, solver):
  """At levels that are smooth in number where there is little noise."""
  path = diffusion.path(name)
  first, second = (error(path, solver, n, "karras") for n in (40, 160))
  assert np.log2(first / second) / 2 > ORDERS[solver] - 0.1, (first, second)
  assert first < {1: 0.07, 2: 0.01}[ORDERS[solver]]
  if name == "rectified" and solver != "dpmpp":  # whose steps are logarithmic
    first, second = (error(path, solver, n, "even") for n in (40, 160))
    assert abs(np.log2(first / second) / 2 - ORDERS[solver]) < 0.1


@pytest.mark.parametrize("spacing", grids.PATH_SPACINGS)
@pytest.mark.parametrize("solver", diffusion.SOLVERS)
@each
def test_every_spacing_comes_close(name, solver, spacing):
  path = diffusion.path(name)
  few, many = (error(path, solver, n, spacing) for n in (5, 160))
  assert many < min(0.02, few / 5), (few, many)
  grid = grids.path_grid(path, 9, spacing)
  assert (np.diff(grid.t) < 0).all() and grid.t[0] == 1 and len(grid.t) == 9
  assert (np.diff(grid.sigma) < 0).all() and grid.sigma[-1] == 0


def test_euler_on_the_straight_path_adds_velocities():
  """x - (t - s) v, from table to table."""
  table = solver_table(diffusion.path("rectified"), "euler", 5)
  x, clean = 0.7, -0.2
  velocity = (x - clean) / table.t
  wanted = x - velocity / 5
  np.testing.assert_allclose(table.keep * x + table.now * clean, wanted, 1e-5)


@pytest.mark.parametrize("solver", diffusion.SOLVERS)
def test_a_solver_is_one_loop_of_one_program(solver):
  """That draws what its table says; nothing goes to the host."""
  path, calls = diffusion.path("circular"), []

  def denoise(x, t):
    calls.append(t)
    levels = path.levels(t, x.ndim)
    return diffusion.Denoised(denoised(levels.alpha, levels.sigma, x))

  def draw(keys):
    return diffusion.solve(
      denoise, path, keys, (1, 2, 1), solver=solver, steps=20
    )

  keys = jax.random.split(jax.random.key(0), 4)
  text = str(jax.make_jaxpr(draw)(keys))
  assert text.count("scan[") == 1 and "callback" not in text
  assert len(calls) == 1 and calls[0].dtype == jnp.float32
  x = np.asarray(draw(keys))
  start = np.asarray(diffusion.solve(denoise, path, keys, (1, 2, 1), steps=300))
  np.testing.assert_allclose(x, start, atol=0.1)  # the same noise


def test_densities_are_those_of_their_names():
  path, index = diffusion.path("edm"), jnp.arange(4000, dtype=jnp.int32)
  share = shares(jax.random.key(0), index)
  assert Density().times(path, share) is share
  t = np.asarray(Density("normal", -1.2, 1.2).times(path, share), np.float64)
  log = np.log(path.sigma(t))
  assert abs(log.mean() + 1.2) < 0.01 and abs(log.std() - 1.2) < 0.02
  ends = Density("normal", 0.0, 1.0).times(path, jnp.array([0.0, 1.0]))
  assert np.isfinite(ends).all() and ends.min() >= 0 and ends.max() <= 1


@pytest.mark.parametrize(
  ("make", "message"),
  [
    (lambda: diffusion.path("rectifid"), "did you mean 'rectified'"),
    (lambda: Density("normall"), "did you mean 'normal'"),
    (lambda: Density("normal", 0.0, 0.0), "deviation of 0.0; expected more"),
    (
      lambda: solver_table(diffusion.path("edm"), "huen", 5),
      "did you mean 'heun'",
    ),
    (
      lambda: solver_table(diffusion.path("edm"), "heun", 0),
      "steps: got 0 sampling steps; expected at least 1",
    ),
    (
      lambda: solver_table(diffusion.path("edm"), "heun", 5, "karas"),
      "did you mean 'karras'",
    ),
  ],
)
def test_wrong_names_are_errors(make, message):
  with pytest.raises(ValueError, match=message):
    make()
