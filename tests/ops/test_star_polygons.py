"""Polygons and numbered objects against plain loops and scikit-image."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage
from skimage.draw import polygon2mask
from skimage.measure import label
from skimage.segmentation import find_boundaries

from vision_jax.data.sources.discs import Discs
from vision_jax.errors import UserError
from vision_jax.ops.instances import borders, components, grown
from vision_jax.ops.star_polygons import (
  directions,
  draw_polygons,
  object_probs,
  ray_distances,
)

RAYS, REACH = 8, 12


def discs(number=2, size=24):
  found = Discs("train", number, size=size, most=6).read(np.arange(number))
  return np.stack([x["instances"] for x in found])


def plain_distance(numbers, y, x, unit, reach):
  """One ray of one pixel, a pixel at a time."""
  h, w = numbers.shape
  far = 0
  while far < reach:
    i, j = (int(np.rint(np.float32(far + 1) * np.float32(u))) for u in unit)
    inside = 0 <= y + i < h and 0 <= x + j < w
    if not inside or numbers[y + i, x + j] != numbers[y, x]:
      break
    far += 1
  return far + 0.5


def test_distances_are_those_of_a_plain_loop():
  numbers = discs()
  numbers[0, :7, :5] = 40000  # touches the border
  found = np.asarray(ray_distances(numbers, RAYS, grid=2, reach=REACH))
  assert found.shape == (2, 12, 12, RAYS)
  for b, y, x in np.ndindex(2, 12, 12):
    own = numbers[b, 2 * y, 2 * x]
    expected = [
      plain_distance(numbers[b], 2 * y, 2 * x, unit, REACH) if own else 0
      for unit in directions(RAYS)
    ]
    np.testing.assert_array_equal(found[b, y, x], expected)


@pytest.mark.slow
def test_the_middle_of_an_object_is_one():
  numbers = np.zeros((1, 24, 24), np.int32)
  numbers[0, 3:18, 2:17] = 9
  distances = ray_distances(numbers, 32, reach=24)
  probs = np.asarray(object_probs(numbers, distances))[0]
  exact = ndimage.distance_transform_edt(numbers[0])
  assert probs[10, 9] == 1 and probs[0, 0] == 0
  expected = np.where(exact > 0, exact - 0.5, 0) / (exact.max() - 0.5)
  np.testing.assert_allclose(probs, expected, atol=0.01)


def polygon(place, distances, size):
  corners = place + distances[:, None] * directions(len(distances))
  return polygon2mask(size, corners)


def test_a_polygon_has_the_pixels_that_scikit_image_draws():
  rng, size = np.random.default_rng(0), (24, 24)
  places = rng.integers(0, 24, (12, 1, 2))
  distances = rng.uniform(1.5, REACH, (12, 1, RAYS)).astype(np.float32)
  score = np.ones((12, 1), np.float32)
  found = draw_polygons(score, places, distances, size, reach=REACH)
  for i in range(12):
    expected = polygon(places[i, 0], np.float64(distances[i, 0]), size)
    np.testing.assert_array_equal(np.asarray(found[i]) > 0, expected)


def test_a_polygon_gives_way_to_better_ones():
  places = np.array([[[6, 6], [6, 8], [16, 16], [17, 21], [5, 5]]], np.int32)
  score = np.array([[0.9, 0.8, 0.7, 0.6, 0.0]], np.float32)
  distances = np.full((1, 5, RAYS), 4.2, np.float32)
  draw = lambda part: np.asarray(
    draw_polygons(score, places, distances, (24, 24), overlap=part, reach=REACH)
  )[0]
  found = draw(0.4)
  whole = [polygon(p, np.full(RAYS, 4.2), (24, 24)) for p in places[0]]
  np.testing.assert_array_equal(found == 1, whole[0])
  np.testing.assert_array_equal(found == 2, whole[2])
  np.testing.assert_array_equal(found == 3, whole[3] & ~whole[2])
  assert found.max() == 3  # the second lies over the first, the last is none
  assert draw(0.99).max() == 4
  with pytest.raises(UserError, match="overlap: got"):
    draw(1.5)


def test_too_few_rays_are_an_error():
  with pytest.raises(UserError, match="rays: got 2"):
    directions(2)


def test_components_are_numbered_as_scikit_image_joins_them():
  there = np.random.default_rng(1).random((2, 24, 24)) < 0.4
  found = np.asarray(jax.jit(components, static_argnums=1)(there, 3))
  for mask, numbers in zip(there, found, strict=True):
    parts = label(mask, connectivity=2)
    large = np.bincount(parts.ravel()) >= 3
    kept = np.where(large[parts] & mask, parts, 0)
    pairs = {*zip(kept.ravel().tolist(), numbers.ravel().tolist(), strict=True)}
    names = {number for _, number in pairs}
    assert len(pairs) == len(names) == len(np.unique(kept))
    assert names == set(range(len(names))) and (0, 0) in pairs


def test_borders_are_those_of_scikit_image():
  numbers = discs(3)
  found = np.asarray(jax.jit(borders)(numbers))
  expected = [
    find_boundaries(x, connectivity=2, mode="inner") & (x > 0) for x in numbers
  ]
  np.testing.assert_array_equal(found, expected)


def test_objects_grow_equally_fast():
  seeds, within = np.zeros((1, 24, 24), np.int32), np.ones((1, 24, 24), bool)
  seeds[0, 10, 4], seeds[0, 10, 15] = 7, 3
  within[0, :4], within[0, 20:] = False, False
  found = np.asarray(jax.jit(grown)(seeds, within))[0]
  y, x = np.indices((24, 24))
  away = [np.maximum(abs(y - 10), abs(x - column)) for column in (4, 15)]
  expected = np.where(within[0], np.where(away[0] <= away[1], 7, 3), 0)
  np.testing.assert_array_equal(found, expected)
  nothing = jnp.zeros((1, 24, 24), jnp.int32)
  assert not grown(nothing, within).any()
