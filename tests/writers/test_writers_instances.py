"""Numbered objects as files."""

import pathlib

import cv2
import numpy as np
from etils import epath
from skimage.segmentation import find_boundaries

from vision_jax.data.sources.discs import Discs
from vision_jax.viz.contours import draw_contours, edges
from vision_jax.writers.base import About
from vision_jax.writers.instances import InstanceWriter
from vision_jax.writers.line import line
from vision_jax.writers.overlay import OverlayWriter


def written(folder, numbers):
  """A grey image, and what the writers make of its objects."""
  image = np.full(numbers.shape, 40, np.uint8)
  file = pathlib.Path(folder / "a.png")
  file.write_bytes(cv2.imencode(".png", image)[1].tobytes())
  about = About(epath.Path(folder / "out"))
  row = {"instances": numbers}
  entry = line(row, about)
  for make in (InstanceWriter, OverlayWriter):
    writer = make(about)
    entry |= writer(file, row, "a")
    writer.close()
  return entry


def test_numbers_come_back_and_outlines_are_drawn(tmp_path):
  numbers = np.zeros((20, 30), np.int32)
  numbers[2:9, 3:12], numbers[2:9, 12:20], numbers[15:, 20:] = 65535, 7, 300
  entry = written(tmp_path, numbers)
  assert entry["objects"] == 3
  found = cv2.imread(entry["instances"], cv2.IMREAD_UNCHANGED)
  assert found.dtype == np.uint16
  np.testing.assert_array_equal(found, numbers)
  overlay = cv2.imread(entry["overlay"])
  changed = (overlay != 40).any(-1)
  np.testing.assert_array_equal(changed, edges(numbers))
  assert edges(numbers)[5, 11] and edges(numbers)[5, 12]
  assert not edges(numbers)[5, 8]


def test_edges_are_those_of_scikit_image():
  numbers = Discs("train", 1, size=40).read(np.zeros(1, int))[0]["instances"]
  wide = np.pad(numbers, 1)  # there beyond the border is nothing
  expected = find_boundaries(wide, connectivity=1, mode="inner")[1:-1, 1:-1]
  np.testing.assert_array_equal(edges(numbers), expected & (numbers > 0))
  drawn = draw_contours(np.zeros((40, 40), np.uint8), numbers)
  assert drawn[edges(numbers)].any(-1).all()
