"""HOG equals scikit-image's; the Gabor bank equals its kernels and scipy's."""

import re

import jax
import numpy as np
import pytest

from tests.oracles import library
from vision_jax.errors import UserError
from vision_jax.ops import descriptors

RNG = np.random.default_rng(0)
# Whole numbers: gradients lie exactly on the borders of bins, too.
LEVELS = RNG.integers(0, 4, (2, 19, 23, 3)).astype(np.float32)
SMOOTH = RNG.random((2, 17, 16, 1), np.float32)


CASES = [
  (LEVELS, {"orientations": 8, "cell": (4, 5), "block": (2, 3)}),
  (LEVELS, {"norm": "L2", "cell": (6, 6), "block": (1, 1)}),
  (SMOOTH, {"norm": "L1", "cell": (5, 4), "block": (2, 2)}),
  (SMOOTH, {"norm": "L1-sqrt", "orientations": 6, "block": (1, 2)}),
]


def test_hog_is_scikit_images():
  feature = library("skimage.feature")
  names = {"cell": "pixels_per_cell", "block": "cells_per_block"}
  names |= {"norm": "block_norm"}
  run = jax.jit(lambda: [descriptors.hog(x, **given) for x, given in CASES])
  for found, (x, given) in zip(run(), CASES, strict=True):
    theirs = {names.get(key, key): value for key, value in given.items()}
    expected = [feature.hog(one, **theirs, channel_axis=-1) for one in x]
    np.testing.assert_allclose(found, expected, atol=2e-6, err_msg=given)


def test_gabor_is_scikit_images_and_scipys():
  filters = library("skimage.filters")
  ndimage = pytest.importorskip("scipy.ndimage")
  frequencies, orientations = (0.2, 0.4), 4
  found = jax.jit(
    lambda x: descriptors.gabor(x, frequencies, orientations, (2, 3))
  )(LEVELS)
  found = np.reshape(found, (2, 2, 3, 3, 2, 4))
  rows, columns = ((0, 10), (10, 19)), ((0, 8), (8, 15), (15, 23))
  for f, frequency in enumerate(frequencies):
    for o in range(orientations):
      angle = o * np.pi / orientations
      kernel = filters.gabor_kernel(frequency, angle)
      part = lambda x, k: ndimage.correlate(x, k, output=np.float64)
      for channel in range(3):
        x = LEVELS[1, :, :, channel]
        strength = np.hypot(part(x, kernel.real), part(x, kernel.imag))
        for i, (top, bottom) in enumerate(rows):
          for j, (left, right) in enumerate(columns):
            np.testing.assert_allclose(
              found[1, i, j, channel, f, o],
              strength[top:bottom, left:right].mean(),
              rtol=2e-3,  # corners of the kernel, beyond three deviations
            )


@pytest.mark.parametrize(
  ("make", "message"),
  [
    (lambda: descriptors.hog(SMOOTH, norm="L3"), "got norm='L3'; expected L1"),
    (lambda: descriptors.hog(SMOOTH), "got images 17 x 16; expected 24 x 24"),
    (lambda: descriptors.gabor(SMOOTH, (0.7,)), "got frequency=0.7"),
    (lambda: descriptors.gabor(SMOOTH, grid=(4, 20)), "no more than pixels"),
  ],
)
def test_bad_input(make, message):
  with pytest.raises(UserError, match=re.escape(message)):
    make()
