"""Images resized as MATLAB's imresize does."""

import fractions

import numpy as np
import pytest

from vision_jax.data.bicubic import contributions, cubic, imresize
from vision_jax.errors import UserError

HALF, THIRD = fractions.Fraction(1, 2), fractions.Fraction(1, 3)


def test_the_kernel_is_keys():
  np.testing.assert_allclose(
    cubic(np.array([0, 0.5, 1, 1.5, 2, 3, -0.5])),
    [1, 0.5625, 0, -0.0625, 0, 0, 0.5625],
  )


def test_halving_weighs_eight_neighbours_and_mirrors_the_border():
  weights, indices = contributions(8, HALF)
  # The kernel at 1/4, 3/4, ... of half the slope; by hand.
  one_side = [0.4336, 0.1133, -0.0352, -0.0117]
  np.testing.assert_allclose(
    weights[1], [*one_side[::-1], *one_side], atol=5e-5
  )
  np.testing.assert_array_equal(indices[0], [2, 1, 0, 0, 1, 2, 3, 4])
  np.testing.assert_allclose(weights.sum(1), 1)


def test_twice_as_large_has_the_values_by_hand():
  row = np.array([0, 0, 0, 64, 0, 0, 0, 0], np.uint8)[:, None, None]
  larger = imresize(row, 2)[:, 0, 0]
  # 64 times the kernel at 7/4, 5/4, 3/4 and 1/4; below 0 is black.
  np.testing.assert_array_equal(
    larger, [0, 0, 0, 0, 0, 15, 56, 56, 15, *[0] * 7]
  )
  exact = imresize(row.astype(np.float64), 2)[:8, 0, 0]
  kernel = 64 * cubic(np.array([2.75, 2.25, 1.75, 1.25, 0.75, 0.25]))
  np.testing.assert_allclose(exact[1:7], kernel, atol=1e-12)


def test_a_flat_image_stays_flat_and_a_slope_a_slope():
  flat = np.full((9, 12, 3), 200, np.uint16)
  assert (imresize(flat, THIRD) == 200).all()
  assert imresize(flat, THIRD).shape == (3, 4, 3)
  assert imresize(flat[:8], THIRD).shape == (3, 4, 3), "rounded up"
  slope = np.arange(30.0)[:, None, None]
  np.testing.assert_allclose(
    imresize(slope, THIRD)[3:-3, 0, 0], np.arange(10, 20, 3)
  )
  with pytest.raises(UserError, match="above 0"):
    imresize(flat, 0)
