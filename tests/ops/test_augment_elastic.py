"""Elastic distortion beside scipy, and what it refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from vision_jax.errors import UserError
from vision_jax.ops.augment import random_elastic
from vision_jax.ops.augment.elastic import smoothed
from vision_jax.ops.augment.keys import example_keys

RNG = np.random.default_rng(0)
KEY = jax.random.key(3)


def batch(size=(20, 28), count=3):
  image = RNG.normal(size=(count, *size, 2)).astype(np.float32)
  return {"image": jnp.asarray(image), "index": jnp.arange(count)}


@pytest.mark.parametrize("sigma", [0.7, 4.0])
def test_smoothing_is_scipys(sigma):
  x = RNG.uniform(-1, 1, (3, 20, 28)).astype(np.float32)
  want = [ndimage.gaussian_filter(a, sigma, mode="constant") for a in x]
  np.testing.assert_allclose(smoothed(x, sigma), want, atol=1e-6)


def test_pixels_are_moved_by_the_field():
  given = batch()
  got = random_elastic(34.0, 4.0, fill=-1.0)(given, KEY)["image"]
  for image, key, new in zip(
    np.asarray(given["image"]), example_keys(given, KEY), got, strict=True
  ):
    field = np.asarray(jax.random.uniform(key, (2, 20, 28), minval=-1))
    move = [34 * ndimage.gaussian_filter(f, 4, mode="constant") for f in field]
    assert 0.5 < np.abs(move).max() < 8  # some pixels, as in the paper
    for channel in range(2):
      # A border of one pixel is interpolated with what is outside.
      padded = np.pad(image[..., channel], 2, constant_values=-1.0)
      places = np.indices((20, 28)) + move + 2
      want = ndimage.map_coordinates(padded, places, order=1, cval=-1.0)
      np.testing.assert_allclose(new[..., channel], want, atol=1e-4)


def test_without_a_move_nothing_changes():
  given = batch()
  got = random_elastic(0.0, 4.0)(given, KEY)
  np.testing.assert_allclose(got["image"], given["image"], atol=1e-6)


def test_halves_of_a_batch_are_the_batch():
  given, move = batch(count=4), random_elastic()
  whole = move(given, KEY)["image"]
  parts = [
    move({k: x[part] for k, x in given.items()}, KEY)["image"]
    for part in (slice(0, 2), slice(2, 4))
  ]
  np.testing.assert_array_equal(whole, jnp.concatenate(parts))


def test_bytes_stay_bytes():
  given = batch() | {"image": jnp.full((3, 20, 28, 1), 255, jnp.uint8)}
  image = random_elastic(fill=255.0)(given, KEY)["image"]
  assert image.dtype == jnp.uint8 and (image == 255).all()


def test_what_it_cannot_do():
  with pytest.raises(UserError, match="expected alpha >= 0 and sigma > 0"):
    random_elastic(sigma=0.0)
  with pytest.raises(UserError, match=r"got a batch with .*target"):
    random_elastic()(batch() | {"target": jnp.zeros((3, 20, 28))}, KEY)
