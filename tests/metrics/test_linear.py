"""Linear classifiers of features, beside scikit-learn's."""

import numpy as np
import pytest

from vision_jax.metrics.linear import (
  folds,
  logistic,
  logistic_chosen,
  ridge,
)

GRID = (1e-3, 1e-1, 1.0, 10.0, 1e3)


def drawn(n, d, classes=3, noise=2.0):
  rng = np.random.default_rng(n + d)
  labels = np.arange(n) % classes
  features = rng.normal(size=(classes, d))[labels]
  return features + noise * rng.normal(size=(n, d)) + 3, labels


@pytest.mark.parametrize("n, d", [(60, 5), (12, 40)])
def test_ridge_is_scikit_learns_with_the_penalty_left_out_chooses(n, d):
  linear_model = pytest.importorskip("sklearn.linear_model")
  x, y = drawn(n, d)
  fit, chosen = ridge(x, y, 3, GRID)
  theirs = linear_model.RidgeCV(alphas=GRID).fit(x, np.eye(3)[y])
  assert chosen == pytest.approx(theirs.alpha_)
  np.testing.assert_allclose(fit.kernel, theirs.coef_.T, rtol=1e-6, atol=1e-9)
  np.testing.assert_allclose(fit.bias, theirs.intercept_, rtol=1e-6)
  new = drawn(31, d)[0]
  scores = theirs.predict(new)
  np.testing.assert_array_equal(fit.predict(new), scores.argmax(1))


@pytest.mark.parametrize("n, d", [(60, 5), (12, 40)])
@pytest.mark.parametrize("penalty", [0.1, 10.0])
def test_logistic_is_scikit_learns(n, d, penalty):
  linear_model = pytest.importorskip("sklearn.linear_model")
  x, y = drawn(n, d)
  fit = logistic(x, y, 3, penalty)
  theirs = linear_model.LogisticRegression(
    C=1 / penalty, tol=1e-9, max_iter=10_000
  ).fit(x, y)
  np.testing.assert_allclose(fit.kernel, theirs.coef_.T, rtol=1e-3, atol=1e-5)
  shift = theirs.intercept_.mean()  # of all classes alike: no difference
  ours = fit.bias - fit.bias.mean() + shift
  np.testing.assert_allclose(ours, theirs.intercept_, rtol=1e-3, atol=1e-4)


def test_folds_have_every_class_in_turn():
  labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
  np.testing.assert_array_equal(folds(labels, 2), [0, 1, 0, 1, 0, 1, 0, 1])


def test_penalty_is_the_one_that_generalises():
  """Few examples of many features: too small a penalty fits the noise."""
  x, y = drawn(45, 30, noise=3.0)
  grid = GRID[1:4]
  _, chosen = logistic_chosen(x, y, 3, grid)
  assert chosen > grid[0]
  hits = {}
  for penalty in grid:
    wrong = 0
    for turn in range(5):
      held = folds(y, 5) == turn
      fit = logistic(x[~held], y[~held], 3, penalty)
      wrong += np.sum(fit.predict(x[held]) != y[held])
    hits[penalty] = wrong
  assert hits[chosen] == min(hits.values())


def test_one_example_a_class_takes_the_middle():
  x, y = drawn(3, 8)
  fit, chosen = logistic_chosen(x, y, 3, GRID)
  assert chosen == 1.0
  np.testing.assert_array_equal(fit.predict(x), y)
