"""Resampling by the binomial filter is scipy's."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal

from vision_jax.ops.binomial import blur, downsample, upsample

TAPS = np.array([1, 3, 3, 1]) / 8
X = np.random.default_rng(0).normal(size=(2, 6, 10, 3)).astype(np.float32)


def along(axis, x, **steps):
  """Filters an axis, all of it that the filter touches."""
  return scipy.signal.upfirdn(TAPS, x, axis=axis, **steps)


def test_upsampling_is_scipys():
  expected = X.astype(np.float64)
  for axis in (1, 2):
    n = 2 * expected.shape[axis]
    expected = 2 * along(axis, expected, up=2).take(range(1, n + 1), axis)
  np.testing.assert_allclose(upsample(X), expected, atol=1e-6)


def test_downsampling_is_scipys():
  expected = X.astype(np.float64)
  for axis in (1, 2):
    whole = along(axis, expected)
    expected = whole.take(range(2, whole.shape[axis] - 2, 2), axis)
  assert expected.shape == (2, 3, 5, 3)
  np.testing.assert_allclose(downsample(X), expected, atol=1e-6)


@pytest.mark.parametrize("pad", [1, 2])
def test_blurring_is_scipys(pad):
  expected = X.astype(np.float64)
  for axis in (1, 2):
    whole = along(axis, expected)
    cut = 3 - pad
    expected = whole.take(range(cut, whole.shape[axis] - cut), axis)
  got = blur(X, pad, gain=4.0)
  np.testing.assert_allclose(got, 4 * expected, atol=2e-6)


def test_a_constant_stays_one_away_from_the_border():
  x = jnp.ones((1, 8, 8, 1))
  np.testing.assert_allclose(upsample(x)[:, 1:-1, 1:-1], 1, rtol=1e-6)
  np.testing.assert_allclose(downsample(x)[:, 1:-1, 1:-1], 1, rtol=1e-6)
