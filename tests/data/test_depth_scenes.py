"""Scenes with depth: what is drawn lies where the depth says."""

import numpy as np
import pytest

from vision_jax.data.errors import DataError
from vision_jax.data.sources.depth_scenes import (
  HEIGHT,
  Box,
  DepthScenes,
  Sphere,
)


def test_scenes_are_pure_in_seed_split_and_number():
  scenes = DepthScenes("train", 8, size=(16, 20))
  first, again = scenes.read([5, 2]), scenes.read([2])
  np.testing.assert_array_equal(first[1]["image"], again[0]["image"])
  np.testing.assert_array_equal(first[1]["depth"], again[0]["depth"])
  assert again[0]["image"].shape == (16, 20, 3)
  others = [
    DepthScenes("val", 8, size=(16, 20)),
    DepthScenes("train", 8, size=(16, 20), seed=1),
  ]
  for other in others:
    assert (other.read([2])[0]["image"] != again[0]["image"]).any()
    assert other.fingerprint() != scenes.fingerprint()


def on_surface(thing, points):
  """Which points (n, 3) lie on an object."""
  if isinstance(thing, Sphere):
    away = np.linalg.norm(points - thing.centre, axis=1)
    return np.abs(away - thing.radius) < 1e-4
  shares = np.abs((points - thing.centre) @ thing.axes.T) / thing.half
  return np.abs(shares.max(1) - 1) < 1e-4


def test_every_depth_is_that_of_a_surface():
  scenes = DepthScenes("test", 12, size=(24, 32))
  seen = dict.fromkeys(("floor", Sphere, Box, "wall", "sky"), 0)
  for i, example in enumerate(scenes.read(np.arange(12))):
    depth = example["depth"].ravel().astype(float)
    points = scenes.rays() * depth[:, None]
    known, found = depth > 0, np.zeros(len(depth), bool)
    for thing in scenes.objects(i):
      there = on_surface(thing, points) & known
      seen[type(thing)] += there.sum()
      found |= there
    floor = known & (np.abs(points[:, 1] + HEIGHT) < 1e-4)
    rest = known & ~found & ~floor
    assert np.ptp(depth[rest]) < 1e-4 if rest.any() else True  # one wall
    assert (points[known][:, 1] > -HEIGHT - 1e-4).all()
    seen["floor"] += floor.sum()
    seen["wall"] += rest.sum()
    seen["sky"] += (~known).sum()
  assert min(seen.values()) > 100, seen


@pytest.mark.parametrize("kind", [Sphere, Box])
def test_what_is_seen_is_the_first_of_a_surface(kind):
  """Against small steps along each ray, to the first that is inside."""
  rng = np.random.default_rng(0)
  rays = np.concatenate([rng.uniform(-0.4, 0.4, (60, 2)), np.ones((60, 1))], 1)
  centre, steps = np.array([0.1, -0.2, 3.0]), np.arange(0.5, 6, 1e-3)
  points = rays[:, None] * steps[:, None]
  if kind is Sphere:
    thing = Sphere(centre, 0.8)
    inside = np.linalg.norm(points - centre, axis=-1) < 0.8
  else:
    thing = Box(centre, np.array([0.5, 0.9, 0.3]), 0.5)
    inside = (np.abs((points - centre) @ thing.axes.T) < thing.half).all(-1)
  depth, normal = thing.hit(rays)
  hit = inside.any(1)
  assert 10 < hit.sum() < 60
  np.testing.assert_array_equal(np.isfinite(depth), hit)
  np.testing.assert_allclose(
    depth[hit], steps[inside.argmax(1)][hit], atol=2e-3
  )
  assert ((normal * rays).sum(1)[hit] < 0).all()  # it faces the camera
  np.testing.assert_allclose(np.linalg.norm(normal[hit], axis=1), 1)


@pytest.mark.parametrize(
  "given", [{"split": "tests"}, {"length": 0}, {"size": (4, 64)}]
)
def test_scenes_that_cannot_be_are_named(given):
  with pytest.raises(DataError, match=r"depth scenes: got split .*8 pixels"):
    DepthScenes(**({"split": "train", "length": 1} | given))
