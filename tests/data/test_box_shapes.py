"""Anchors of a data set: the clusters of its boxes' shapes."""

import numpy as np
import pytest

from vision_jax.data.box_shapes import box_shapes, clusters, overlaps
from vision_jax.data.errors import DataError
from vision_jax.data.sources.arrays import ArraySource
from vision_jax.data.sources.scenes import DigitScenes


def test_clusters_are_found_and_are_the_means_of_their_own():
  rng = np.random.default_rng(0)
  truth = np.array([[8.0, 20.0], [30.0, 12.0], [60.0, 55.0]])
  which = rng.integers(0, 3, 300)
  shapes = truth[which] * rng.uniform(0.9, 1.1, (300, 2))
  found = clusters(shapes, 3)
  np.testing.assert_allclose(found, truth, rtol=0.03)
  both = np.minimum(shapes[:, None], found).prod(-1)
  union = shapes.prod(1)[:, None] + found.prod(1) - both
  np.testing.assert_allclose(overlaps(shapes, found), both / union)
  nearest = (both / union).argmax(1)
  for i in range(3):
    np.testing.assert_allclose(found[i], shapes[nearest == i].mean(0))
  np.testing.assert_allclose(clusters(shapes[::-1], 3), found)
  more = [
    overlaps(shapes, clusters(shapes, k)).max(1).mean() for k in (1, 3, 9)
  ]
  assert more == sorted(more)


def test_shapes_are_in_pixels_of_what_the_net_sees():
  boxes = np.float32([[[0.5, 0.5, 0.5, 0.25], [0, 0, 0, 0]]])
  source = ArraySource(
    {
      "boxes": boxes,
      "box_mask": np.float32([[1, 0]]),
      "size": np.int32([[100, 50]]),
    }
  )
  assert box_shapes(source, (64, 64)).tolist() == [[32, 16]]
  fitted = box_shapes(source, (64, 64), letterbox=True)
  assert fitted.tolist() == [[16, 16]]  # the image is 64 x 32 there
  found = box_shapes(DigitScenes("train", 40, size=64), (64, 64), most=7)
  assert 7 <= len(found) <= 35 and (found > 1).all() and (found <= 33).all()


def test_what_has_no_shapes_is_an_error():
  source = ArraySource({"boxes": np.zeros((2, 1, 4), np.float32)})
  with pytest.raises(DataError, match="none of 2 images has a box"):
    box_shapes(source, (8, 8))
  with pytest.raises(DataError, match="got 3 of 2 boxes"):
    clusters(np.ones((2, 2)), 3)
