"""What is left of an image: a hole at a place of its own, or few pixels."""

import jax
import numpy as np
import pytest
from skimage.measure import block_reduce

from vision_jax.errors import UserError
from vision_jax.ops.given import given

IMAGE = np.random.default_rng(0).uniform(0.1, 1, (4, 6, 9, 2))
BATCH = {"image": IMAGE.astype(np.float32), "index": np.arange(4)}


def test_a_hole_is_nothing_and_the_rest_is_the_image():
  out = jax.jit(given("hole", 3))(BATCH)
  seen, hole = np.split(np.asarray(out["given"]), [2], -1)
  assert hole.shape == (4, 6, 9, 1) and {*np.unique(hole)} == {0, 1}
  np.testing.assert_array_equal(seen, out["image"] * (1 - hole))
  for rows, columns in zip(hole.any((2, 3)), hole.any((1, 3)), strict=True):
    assert np.ptp(np.flatnonzero(rows)) == np.ptp(np.flatnonzero(columns)) == 2
  assert (hole.sum((1, 2, 3)) == 9).all()


def test_a_holes_place_is_its_examples_own():
  whole = given("hole", 3)(BATCH)["given"]
  part = given("hole", 3)({key: x[2:] for key, x in BATCH.items()})["given"]
  np.testing.assert_array_equal(whole[2:], part)
  ones = np.ones((999, 6, 9, 1), np.float32)
  many = {"image": ones, "index": np.arange(999)}
  places = np.asarray(given("hole", 3)(many)["given"][..., 1]).mean(0)
  assert (places > 0).all()  # in each corner, too
  tall = given("hole", 6)(BATCH)["given"][..., 2]
  np.testing.assert_array_equal(tall[:, :, 3:6], 1)  # wherever it begins


def test_fewer_pixels_are_scikit_images_means():
  out = jax.jit(given("smaller", 3))(BATCH)["given"]
  small = block_reduce(BATCH["image"], (1, 3, 3, 1), np.mean)
  expected = small.repeat(3, 1).repeat(3, 2)
  np.testing.assert_allclose(out, expected, rtol=1e-6)


@pytest.mark.parametrize(
  ("name", "size", "message"),
  [
    ("half", 3, "given: got 'half'; did you mean 'hole'"),
    ("hole", 7, "side 7 in images of 6 x 9; expected at least 1 and no more"),
    ("hole", 0, "a hole of side 0"),
    (
      "smaller",
      2,
      "2 times fewer pixels of images of 6 x 9; expected a number",
    ),
    ("smaller", 0, "0 times fewer"),
  ],
)
def test_what_does_not_fit_is_refused(name, size, message):
  with pytest.raises(UserError, match=message):
    given(name, size)(BATCH)
