"""Errors of numbers equal scikit-learn's; a mixture's calibration."""

import numpy as np
import pytest

from tests.oracles import library
from vision_jax.errors import UserError
from vision_jax.metrics.regression import MixtureCalibration, NumberErrors

RNG = np.random.default_rng(0)


def measured(metric, out, batch):
  sums, rows = metric.measure(None, out, batch)
  return metric.result(sums, {k: np.asarray(x) for k, x in rows.items()})


def test_errors_are_scikit_learns():
  metrics = library("sklearn.metrics")
  truth = (RNG.normal(size=(50, 2)) * [3, 1] + [1e4, 0]).astype(np.float32)
  found = (truth + RNG.normal(size=(50, 2))).astype(np.float32)
  metric = NumberErrors(("far", "near"))
  got = measured(metric, {"number": found}, {"number": truth})
  assert {*got} == {*metric.names}
  pair = truth.astype(float), found.astype(float)
  assert got["mae"] == pytest.approx(metrics.mean_absolute_error(*pair))
  assert got["r2"] == pytest.approx(metrics.r2_score(*pair))
  one = metrics.root_mean_squared_error(pair[0][:, 1], pair[1][:, 1])
  assert got["rmse/near"] == pytest.approx(one)
  one = metrics.r2_score(pair[0][:, 0], pair[1][:, 0])
  assert got["r2/far"] == pytest.approx(one)


def test_a_number_that_is_the_same_everywhere_has_no_r2():
  truth = np.float32([[1, 5], [3, 5]])
  got = measured(
    NumberErrors(("a", "b")), {"number": truth + 1}, {"number": truth}
  )
  assert got["r2"] == got["r2/a"] == 0 and "r2/b" not in got
  assert got["mae"] == got["rmse/b"] == 1
  with pytest.raises(UserError, match=r"number: got \(2, 2\), .* each of a in"):
    measured(NumberErrors(("a",)), {"number": truth}, {"number": truth})


def mixture(sd):
  """Half of all at -2 and half at 3, 40,000 examples, as a net would say it."""
  n = 40_000
  truth = np.where(RNG.random(n) < 0.5, -2, 3) + RNG.normal(size=n)
  shape = (n, 2, 1)
  mean = np.broadcast_to(np.float32([[-2], [3]]), shape)
  out = {"weight": np.full((n, 2), 0.5, np.float32), "mean": mean}
  batch = {"number": np.float32(truth)[:, None]}
  return out | {"sd": np.full(shape, sd, np.float32)}, batch


def test_calibration_of_a_mixture_that_is_right_and_of_one_too_sure():
  stats = library("scipy.stats")
  out, batch = mixture(1.0)
  got = measured(MixtureCalibration(), out, batch)
  assert got["calibration"] < 0.005
  assert got["coverage90"] == pytest.approx(0.9, abs=0.005)
  x = batch["number"][:, 0].astype(float)
  density = (stats.norm.pdf(x, -2) + stats.norm.pdf(x, 3)) / 2
  assert got["nll"] == pytest.approx(-np.log(density).mean(), rel=1e-5)
  sure = measured(MixtureCalibration(), *mixture(0.25))
  # Of deviations four times too small, and components that do not overlap: half
  # of the truth is at each, where it is as far as a quarter of that.
  levels = np.linspace(0.05, 0.45, 5)
  below = stats.norm.cdf(0.25 * stats.norm.ppf(2 * levels)) / 2
  expected = np.abs(below - levels).mean()
  assert sure["calibration"] == pytest.approx(expected, abs=0.005)
  assert sure["nll"] > got["nll"] and sure["coverage90"] < 0.8
