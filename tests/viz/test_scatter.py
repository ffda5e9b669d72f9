"""Points lie where they are, in the colours of their classes."""

import numpy as np
import pytest

from vision_jax.errors import UserError
from vision_jax.pipelines.generation_images import codes
from vision_jax.viz.palette import palette
from vision_jax.viz.scatter import scatter

RED, BLUE = 0, 2


def centre(panel, k):
  """The mean (x, y) of the pixels in the colour of a class."""
  y, x = np.nonzero(np.all(panel == palette(k + 1)[k], -1))
  return x.mean(), y.mean()


def test_points_lie_on_one_scale_with_y_upwards():
  points = np.array([[0, 0], [0, 1], [4, 0], [4, 2]], np.float32)
  panel = scatter(points, np.array([RED, RED, BLUE, BLUE]), size=233)
  assert panel.shape == (233, 233, 3) and panel.dtype == np.uint8
  shown = np.nonzero(np.any(panel != 255, -1))
  # 200 pixels for 4, so that the highest point is 100 above the lowest.
  x, y = shown[1], shown[0]
  assert abs((x.max() + x.min()) / 2 - 116) <= 4
  assert abs(y.min() - (116 - 50 - 2)) <= 1 and abs(y.max() - 168) <= 1
  assert centre(panel, RED)[0] < 40 and centre(panel, BLUE)[0] > 190


@pytest.mark.parametrize("d", [1, 2, 5])
def test_codes_lie_where_they_spread_most(d):
  rng = np.random.default_rng(0)
  label = np.repeat([RED, BLUE], 50)
  latent = rng.normal(size=(100, d)) * 0.1
  latent[:, -1] += label * 5  # the direction of classes
  panel = codes({"label": label}, {"latent": latent})["codes"]
  (x, y), (other_x, other_y) = centre(panel, RED), centre(panel, BLUE)
  apart = np.hypot(x - other_x, y - other_y)
  assert apart > 400


def test_bad_input():
  with pytest.raises(UserError, match=r"got points \(3, 3\) and labels \(3,\)"):
    scatter(np.zeros((3, 3)), np.zeros(3, int))
  with pytest.raises(UserError, match="not finite"):
    scatter(np.full((1, 2), np.nan), np.zeros(1, int))
