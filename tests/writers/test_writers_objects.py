"""Objects with masks as files: run lengths, numbered maps and outlines."""

import json

import numpy as np
from PIL import Image

from vision_jax.data import rle
from vision_jax.viz.png import write_png
from vision_jax.writers.base import About, objects_of
from vision_jax.writers.coco import CocoWriter
from vision_jax.writers.instances import InstanceWriter
from vision_jax.writers.overlay import OverlayWriter

SIZE = (40, 60)
ROW = {
  "boxes": np.array([[10, 10, 30, 30], [20, 12, 50, 28]], np.float32),
  "score": np.array([0.9, 0.1], np.float32),
  "label": np.array([0, 0]),
  "masks": np.ones((2, 28, 28), np.float32),
  "instances": np.zeros((64, 64), np.int32),  # of the net's canvas
}


def test_objects_are_written_at_the_images_own_size(tmp_path):
  image = tmp_path / "a.png"
  write_png(image, np.full((*SIZE, 3), 90, np.uint8))
  about = About(tmp_path / "out", ("cell",))
  for make in (CocoWriter, InstanceWriter, OverlayWriter):
    writer = make(about)
    writer(image, ROW, "a")
    writer.close()
  results = json.loads((tmp_path / "out/results.json").read_text())
  assert [len(results), results[0]["segmentation"]["size"]] == [2, [*SIZE]]
  masks = rle.decoded([x["segmentation"] for x in results], SIZE)
  assert masks[0, 11:29, 11:29].all() and masks[0].sum() < 24**2
  whole = json.loads((tmp_path / "out/coco.json").read_text())
  (shown,) = whole["annotations"]  # the other's score is too low
  assert shown["area"] == masks[0].sum()
  numbers = np.array(Image.open(tmp_path / "out/instances/a.png"))
  np.testing.assert_array_equal(numbers, masks[0])
  drawn = np.array(Image.open(tmp_path / "out/overlays/a.png"))
  assert drawn.shape == (*SIZE, 3) and (drawn != 90).any()


def test_keypoints_are_in_the_results_and_on_the_overlay(tmp_path):
  image = tmp_path / "a.png"
  write_png(image, np.full((*SIZE, 3), 90, np.uint8))
  points = np.array([[[12, 11, 3.5], [25, 20, -1]]] * 2, np.float32)
  row = {k: ROW[k] for k in ("boxes", "score", "label")}
  drawn = []
  for given in (row, row | {"keypoints": points + 0.0004}):
    about = About(tmp_path / str(len(drawn)), ("mouse",))
    for make in (CocoWriter, OverlayWriter):
      writer = make(about)
      writer(image, given, "a")
      writer.close()
    drawn.append(np.array(Image.open(about.output / "overlays/a.png")))
  results = json.loads((about.output / "results.json").read_text())
  assert [r["keypoints"] for r in results] == [[12, 11, 1, 25, 20, 1]] * 2
  changed = (drawn[0] != drawn[1]).any(-1)
  factor = changed.shape[0] // SIZE[0]
  assert changed[20 * factor, 25 * factor] and not changed[:, -factor:].any()


def test_a_map_of_the_images_size_stands_unless_a_threshold_is_given(tmp_path):
  given = np.zeros(SIZE, np.int32)
  given[3, 4] = 7
  row = ROW | {"instances": given}
  assert objects_of(row, About(tmp_path), SIZE) is given
  found = objects_of(row, About(tmp_path, threshold=0.05), SIZE)
  assert np.unique(found).tolist() == [0, 1, 2]
