"""Means over mirror images, of what turns with the image."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vision_jax.data.sources.discs import Discs
from vision_jax.ops.star_polygons import ray_distances
from vision_jax.ops.star_views import mirrored

RAYS = 8


def exact(grid):
  """What a net would give that knows each pixel's object."""

  def parts(image):
    numbers = image[..., 0].astype(jnp.int32)
    distances = ray_distances(numbers, RAYS, grid=grid, reach=12)
    return distances.min(-1) - 2.0, distances

  return parts


@pytest.mark.parametrize(
  ("size", "grid"),
  [((24, 24), 1), ((24, 23), 2), ((23, 24), 2), ((22, 20), 3), ((21, 22), 3)],
)
def test_views_of_an_exact_net_are_the_same(size, grid):
  found = Discs("train", 2, size=24, most=6).read(np.arange(2))
  numbers = np.stack([x["instances"] for x in found])[:, : size[0], : size[1]]
  numbers[:, [0, -1]] = numbers[:, :, [0, -1]] = 0  # what is repeated
  image = jnp.asarray(numbers[..., None], jnp.float32)
  logits, distances = exact(grid)(image)
  probs, mean = mirrored(exact(grid), image, grid)
  assert float(jnp.std(distances)) > 0.5
  np.testing.assert_allclose(probs, jax.nn.sigmoid(logits), atol=1e-6)
  np.testing.assert_allclose(mean, distances, atol=1e-5)


def test_all_four_views_count():
  image = jnp.arange(12.0).reshape(1, 3, 4, 1)
  seen = []

  def parts(x):
    seen.append(np.asarray(x[0, :, :, 0]))
    return x[..., 0], jnp.repeat(x, RAYS, -1)

  mirrored(parts, image, 1)
  plain = np.arange(12.0).reshape(3, 4)
  wanted = [plain, plain[:, ::-1], plain[::-1], plain[::-1, ::-1]]
  for got, want in zip(seen, wanted, strict=True):
    np.testing.assert_array_equal(got, want)
