"""Keypoints drawn on images."""

import numpy as np

from vision_jax.viz.keypoints import draw_keypoints


def test_keypoints_and_their_lines_are_drawn_where_they_are():
  image = np.zeros((20, 30, 3), np.uint8)
  points = np.array([[[5, 5, 2], [25, 15, 1], [15, 18, 0]]], np.float32)
  dots = draw_keypoints(image, points)
  lines = draw_keypoints(image, points, [(0, 1), (1, 2)])
  assert dots[5, 5].any() and dots[15, 25].any() and not dots[10, 15].any()
  assert lines[10, 15].any() and not lines[18, 15].any()
  assert not draw_keypoints(image, np.zeros((0, 0, 3))).any()
  far = draw_keypoints(image, np.array([[[1e9, 5, 1], [5, 5, 1]]]), [(0, 1)])
  assert far[5, 20].any()
