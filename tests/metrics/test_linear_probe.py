"""Frozen features by a linear classifier; whether they have collapsed."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.preprocessing import LabelBinarizer

from vision_jax.errors import UserError
from vision_jax.metrics.linear import GRID
from vision_jax.metrics.linear_probe import LinearProbe
from vision_jax.metrics.spread import Spread


def rows(count, seed):
  """Three classes that overlap, of features of unequal sizes."""
  rng = np.random.default_rng(seed)
  label = rng.integers(0, 3, count)
  centres = np.random.default_rng(9).normal(size=(3, 6))
  x = (centres[label] + rng.normal(size=(count, 6))) * (1, 9, 1, 0.1, 1, 1) + 5
  return {"features": x.astype(np.float32), "label": label}


def test_the_probe_is_scikit_learns_ridge():
  known, asked = rows(400, 0), rows(300, 1)
  got = LinearProbe().result({}, asked, known)["linear"]
  mean = known["features"].mean(0)
  length = np.sqrt(((known["features"] - mean) ** 2).sum(1).mean())
  scaled = lambda x: (x["features"] - mean) / length
  target = LabelBinarizer().fit_transform(known["label"])
  fits = [Ridge(400 * p).fit(scaled(known), target) for p in GRID]
  found = [fit.predict(scaled(asked)).argmax(1) for fit in fits]
  scores = [np.mean(x == asked["label"]) for x in found]
  assert got in scores and got >= max(scores) - 0.02
  assert max(scores) > 0.6


def test_the_probe_asks_for_two_classes():
  one = rows(20, 0) | {"label": np.zeros(20, int)}
  with pytest.raises(UserError, match="got 1 class in the 20 examples"):
    LinearProbe().result({}, rows(20, 1), one)


@pytest.mark.parametrize("collapsed", [False, True])
def test_spread_is_one_on_the_sphere_and_zero_where_all_is_one(collapsed):
  x = np.random.default_rng(0).normal(size=(4000, 16)).astype(np.float32)
  x = x[:1].repeat(4000, 0) * np.abs(x[:, :1]) if collapsed else x
  mask = np.ones(4000, np.float32)
  x[-3:], mask[-3:] = 99, 0  # padding
  sums, _ = Spread().measure(None, {"features": x}, {"mask": mask})
  got = Spread().result(sums, {})["spread"]
  assert got == pytest.approx(
    0 if collapsed else 1, abs=2e-3 if collapsed else 0.01
  )
