"""Formats to look at: crops, contact sheets, overlays; and a list."""

import json
import os
import pathlib
import xml.etree.ElementTree as ElementTree

import cv2
import numpy as np
import pytest

from tests.writers.test_writers_formats import NAMES, ROW, image, write
from vision_jax.files import to_json
from vision_jax.viz.png import write_png
from vision_jax.writers.base import (
  About,
  fits,
  formats,
  height_width,
  named,
  shown,
)
from vision_jax.writers.contact_sheet import thumbnail, title
from vision_jax.writers.folder import safe_names

assert image  # the fixture
SIDE = 176  # of a cell with its name; a title is above


def read(path):
  return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[..., ::-1]


def test_crops_are_the_pixels_of_the_boxes(image):
  outside = {
    "boxes": np.float32([[40, 5, 50, 9], [-5, -5, 3, 2], [2, 3, 12, 9]]),
    "score": np.float32([0.8, 0.7, 0.9]),
    "label": np.array([0, 0, 1]),
  }
  output, entry = write("crops", image, [ROW, outside])
  pixels = shown(image)
  assert entry["crops"] == [
    str(output / "crops" / "a & _b_" / "in" / "1_0.png"),
    str(output / "crops" / "cat" / "in" / "1_2.png"),
  ]
  best, corner = (read(path) for path in entry["crops"])
  np.testing.assert_array_equal(best, pixels[3:9, 2:12])
  np.testing.assert_array_equal(corner, pixels[:2, :3])
  touched = read(output / "crops" / "cat" / "in" / "0_1.png")
  np.testing.assert_array_equal(touched, pixels[1:20, 0:30])


def test_folders_of_classes_stay_inside_and_apart():
  given = ["..", "a/b", "a_b", "A:b", "Straße", "", "c.", "con\x00"]
  got = safe_names(given)
  assert got[0] == "0__" and got[4] == "Straße" and got[5] == "5__"
  assert got[1:4] == ["1_a_b", "2_a_b", "3_A_b"]
  assert len({name.casefold() for name in got}) == len(given)
  assert all(pathlib.PurePath("x", n).parent.name == "x" for n in got)


def test_yolo_with_scores_is_yolo_with_a_sixth_number(image):
  output, entry = write("yolo_scores", image, [ROW])
  assert entry == {"yolo_scores": str(output / "labels_scores/in/0.txt")}
  found = np.loadtxt(entry["yolo_scores"])
  output, entry = write("yolo", image, [ROW])
  np.testing.assert_array_equal(found[:, :5], np.loadtxt(entry["yolo"]))
  np.testing.assert_allclose(found[:, 5], ROW["score"][:2], atol=1e-6)
  assert (output / "data.yaml").exists()


@pytest.mark.parametrize(
  ("row", "words"),
  [
    ({"logits": np.log([0.25, 0.75])}, "a & <b> 0.75"),
    (ROW, "2: a & <b> 0.90"),
    ({"target": np.eye(2, dtype=int)}, "cat 50 %"),
  ],
)
def test_a_contact_sheet_has_a_page_for_a_hundred(tmp_path, row, words):
  about = About(tmp_path / "out", NAMES)
  assert title(row, about) == words
  writer = named("contact_sheet")(about)
  for i in range(101):
    path = tmp_path / f"{i}.png"
    write_png(path, np.full((20, 30, 3), i, np.uint8))
    writer(path, row, f"folder/{i}")
  writer.close()
  pages = sorted((tmp_path / "out").iterdir())
  names = ["contact_sheet_001.png", "contact_sheet_002.png"]
  assert [path.name for path in pages] == names
  first, second = map(read, pages)
  assert first.shape[1] >= 10 * 160 and second.shape[0] >= 512
  if "logits" in row:  # nothing is drawn over the images
    cell = first[18 + 80, :180]
    assert (cell == 0).all(-1).sum() >= 150 - 2
    assert (cell == 235).all(-1).sum() < 40


def test_thumbnails_keep_proportions():
  image = np.zeros((300, 900, 3), np.uint8)
  assert thumbnail(image).shape == (53, 160, 3)
  assert thumbnail(image[:20, :30]).shape == (120, 180, 3)
  assert thumbnail(image[:1]).shape == (1, 160, 3)


def test_a_list_has_what_the_lines_have(image):
  rows = [
    {"logits": np.log([0.25, 0.75])},
    ROW,
    {"target": np.zeros((2, 2), int)},
  ]
  output, _ = write("json", image, rows)
  first, second, third = json.loads((output / "predictions.json").read_text())
  assert first["top"] == [
    {"class": "a & <b>", "score": 0.75},
    {"class": "cat", "score": 0.25},
  ]
  assert [box["class"] for box in second["boxes"]] == ["a & <b>", "cat"]
  assert third == {"file": str(image), "share": {"cat": 1.0}}


@pytest.mark.parametrize("side", [16, 100, 640, 2000])
def test_letters_are_readable_and_leave_the_image_visible(tmp_path, side):
  path = tmp_path / "in.png"
  write_png(path, np.full((side, side, 3), 128, np.uint8))
  shown.cache_clear()
  box = np.float32([[0.3, 0.4, 0.7, 0.8]]) * side
  row = {"boxes": box, "score": np.float32([0.9]), "label": np.array([0])}
  writer = named("overlay")(About(tmp_path / "out", ("cat",)))
  drawn = read(writer(path, row, "in")["overlay"])
  factor = drawn.shape[0] // side
  assert drawn.shape == (side * factor, side * factor, 3)
  changed = np.argwhere((drawn != 128).any(-1))
  above = changed[
    changed[:, 0] < 0.4 * side * factor - 2 * drawn.shape[0] / 500
  ]
  height = np.ptp(above[:, 0]) + 1  # of the label over the box
  assert 10 <= height <= drawn.shape[0] / 10
  assert len(changed) < 0.2 * drawn.shape[0] ** 2


def test_names_that_are_no_utf8_are_written(tmp_path):
  """By every format of boxes, in files that can be read again."""
  name = os.fsdecode(b"latin-\xe9")
  path = tmp_path / "in" / f"{name}.png"
  try:
    write_png(path, np.zeros((20, 30, 3), np.uint8))
  except OSError:
    pytest.skip("the file system takes no such names")
  for made in formats().values():
    if fits(made, ROW.keys()):
      shown.cache_clear()
      height_width.cache_clear()
      writer = made(About(tmp_path / "out", NAMES))
      to_json(writer(path, ROW, name) or {})
      writer.close()

  files = [p for p in (tmp_path / "out").rglob("*") if p.is_file()]
  assert len(files) >= 10
  for file in files:
    if file.suffix == ".xml":
      ElementTree.parse(file)
    elif file.suffix == ".json":
      json.loads(file.read_text())
    elif file.suffix in (".csv", ".yaml", ".txt"):
      file.read_text(encoding="utf-8")
