"""Stripes of classes over time."""

import numpy as np
import pytest

from vision_jax.errors import UserError
from vision_jax.viz.palette import palette
from vision_jax.viz.strips import strips

NAMES = ("walk", "wave", "kick")


def test_each_frame_has_the_colour_of_its_class():
  rows = {"truth": [0, 0, 1, 255], "prediction": np.array([0, 2, 1, 1])}
  image = strips(rows, NAMES)
  assert image.dtype == np.uint8 and image.shape[2] == 3
  colours = [tuple(x) for x in palette(3)]
  at = lambda row, frame: tuple(image[12 + 28 * row, 90 + 120 * frame + 60])
  assert [at(0, i) for i in range(4)] == [*map(colours.__getitem__, (0, 0, 1)),
                                          (255,) * 3]  # fmt: skip
  assert [at(1, i) for i in range(4)] == [colours[i] for i in (0, 2, 1, 1)]
  assert image.shape[1] == 90 + 480 + 160  # titles, frames, a legend
  assert (image[:24, :90] < 128).any() and (image[28:52, :90] < 128).any()


@pytest.mark.parametrize(
  ("rows", "message"),
  [
    ({"truth": [0], "found": [0, 1]}, r"frames {'truth': 1, 'found': 2}; exp"),
    ({"truth": []}, "expected one or more"),
    ({"truth": [0, 3]}, "truth has the label 3; expected one of 3 classes"),
  ],
)
def test_rows_that_do_not_fit(rows, message):
  with pytest.raises(UserError, match=message):
    strips(rows, NAMES)
