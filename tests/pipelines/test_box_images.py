"""What TensorBoard shows of a detector: the truth beside what was found."""

import numpy as np
import pytest

from vision_jax.pipelines.box_images import box_images
from vision_jax.viz.boxes import draw_boxes
from vision_jax.viz.grid import TITLE

NAMES = ("a", "b")


@pytest.mark.parametrize("best", [0.9, 0.2])
def test_true_boxes_are_beside_those_found(best):
  """Where no box is sure, the best are shown, as many as there are true."""
  image = np.full((3, 32, 64, 3), 90, np.uint8)
  batch = {
    "image": image,
    "size": np.full((3, 2), (320, 640)),
    "boxes": np.tile([[0.5, 0.5, 0.25, 0.5], [0, 0, 0, 0]], (3, 1, 1)),
    "label": np.tile([1, 0], (3, 1)),
    "box_mask": np.tile([1, 0], (3, 1)),
  }
  out = {
    "boxes": np.tile([[0, 0, 320, 160], [0, 0, 9, 9]], (3, 1, 1)),
    "score": np.tile([best, 0.1], (3, 1)),
    "label": np.tile([0, 1], (3, 1)),
  }
  drawn = box_images(NAMES)(batch, out)["boxes"]
  # Images of 256 pixels at least, of which four are in a row.
  h, w = 128, 256
  assert drawn.shape == (2 * (TITLE + h) + 2, 4 * (w + 2) - 2, 3)
  plain = np.full((h, w, 3), 90, np.uint8)
  true = draw_boxes(
    plain, [[96, 32, 160, 96]], [1], class_names=NAMES, thickness=1
  )
  found = draw_boxes(
    *(plain, [[0, 0, 128, 64]], [0], [best]), class_names=NAMES, thickness=1
  )
  for top in (TITLE, 2 * TITLE + h + 2):
    np.testing.assert_array_equal(drawn[top : top + h, :w], true)
    np.testing.assert_array_equal(
      drawn[top : top + h, w + 2 : 2 * w + 2], found
    )
    assert (drawn[top - TITLE : top, w + 2 : 2 * w] < 128).any()
