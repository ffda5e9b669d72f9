"""Formats of predictions, read back."""

import csv
import json
import pathlib
import shutil
import xml.etree.ElementTree as ElementTree

import cv2
import numpy as np
import pytest

from vision_jax.data.sources.coco import CocoSource
from vision_jax.data.sources.voc_file import parse
from vision_jax.data.transforms.masks import decode_target
from vision_jax.viz.overlay import legend, overlay_mask
from vision_jax.viz.palette import palette
from vision_jax.viz.png import write_png
from vision_jax.writers.base import About, fits, formats, named, shown
from vision_jax.writers.line import line

RNG = np.random.default_rng(0)
NAMES = ("cat", "a & <b>")
BOXES = np.array([[2, 3, 12, 9], [0.25, 1.5, 30, 20], [0, 0, 5, 5]], np.float32)
ROW = {
  "boxes": BOXES,
  "score": np.array([0.9, 0.5, 0.1], np.float32),
  "label": np.array([1, 0, 0]),
}
EMPTY = {name: value[:0] for name, value in ROW.items()}


@pytest.fixture
def image(tmp_path):
  shown.cache_clear()
  path = tmp_path / "in" / "a.b.png"
  write_png(path, RNG.integers(0, 256, (20, 30, 3), np.uint8))
  return path


def write(name, image, rows, **about):
  """Writes rows, images of the same file; returns the folder and the last."""
  output = image.parent.parent / "out"
  writer = named(name)(About(output, **{"class_names": NAMES} | about))
  for i, row in enumerate(rows):
    entry = writer(image, row, f"in/{i}")
  writer.close()
  return output, entry


def test_yolo_has_fractions_of_the_boxes_that_count(image):
  output, entry = write("yolo", image, [EMPTY, ROW])
  assert entry == {"yolo": str(output / "labels/in/1.txt")}
  assert (output / "labels/in/0.txt").read_text() == ""
  found = np.loadtxt(output / "labels/in/1.txt")
  np.testing.assert_array_equal(found[:, 0], [1, 0])
  size = np.array([30, 20, 30, 20])
  low, high = (found[:, 1:3] + s * found[:, 3:] / 2 for s in (-1, 1))
  boxes = np.concatenate([low, high], -1) * size
  np.testing.assert_allclose(boxes, BOXES[:2], atol=1e-4)
  yaml = pytest.importorskip("yaml", reason="no reader of YAML")
  content = yaml.safe_load((output / "data.yaml").read_text())
  assert content["names"] == dict(enumerate(NAMES))


def test_voc_is_read_as_it_was(image):
  output, entry = write("voc", image, [EMPTY, ROW])
  found = parse(pathlib.Path(entry["voc"]))
  assert entry["voc"] == str(output / "Annotations/in/1.xml")
  assert found.filename == "a.b.png" and found.size == (20, 30)
  assert found.names == ["a & <b>", "cat"] and found.difficult == [0, 0]
  assert found.boxes == BOXES[:2].tolist()
  assert parse(output / "Annotations/in/0.xml").boxes == []


def test_coco_is_read_as_it_was(image):
  output, _ = write("coco", image, [ROW])
  (image.parent / "in").mkdir()
  shutil.copy(image, image.parent / "in")
  source = CocoSource(output / "coco.json", image.parent)
  assert source.class_names == NAMES
  (found,) = source.read(np.array([0]))
  names = [source.class_names[k] for k in found["label"]]
  assert names == ["a & <b>", "cat"]
  centre, size = np.split(found["boxes"], 2, -1)
  boxes = np.concatenate([centre - size / 2, centre + size / 2], -1)
  np.testing.assert_allclose(boxes * [30, 20, 30, 20], BOXES[:2], atol=1e-3)


def test_csv_is_a_row_for_each_box_or_each_class(image):
  output, _ = write("csv", image, [EMPTY, ROW])
  with (output / "predictions.csv").open() as file:
    first, second = csv.DictReader(file)
  assert first == {
    "filename": str(image), "width": "30", "height": "20", "class": "a & <b>",
    "xmin": "2.00", "ymin": "3.00", "xmax": "12.00", "ymax": "9.00",
    "score": "0.900000",
  }  # fmt: skip
  assert second["class"] == "cat" and second["xmin"] == "0.25"
  rows = [{"logits": np.log([0.25, 0.75])}, {"logits": np.log([0.6, 0.4])}]
  for threshold, labels in ((None, (1, 0)), (0.3, (1, 1)), (0.8, (0, 0))):
    output, _ = write("csv", image, rows, threshold=threshold)
    with (output / "predictions.csv").open() as file:
      found = list(csv.DictReader(file))
    assert [row["class"] for row in found] == [NAMES[k] for k in labels]
    probs = [[0.25, 0.75][labels[0]], [0.6, 0.4][labels[1]]]
    np.testing.assert_allclose([float(r["score"]) for r in found], probs)


def test_cvat_has_images_with_boxes(image):
  output, _ = write("cvat", image, [EMPTY, ROW])
  root = ElementTree.parse(output / "annotations.xml").getroot()
  assert root.findtext("version") == "1.1"
  labels = root.findall("meta/task/labels/label/name")
  assert [label.text for label in labels] == [*NAMES]
  empty, found = root.findall("image")
  assert len(empty) == 0
  size = {"width": "30", "height": "20"}
  assert found.attrib == {"id": "1", "name": "in/a.b.png"} | size
  first, second = found.findall("box")
  corners = [float(second.get(k)) for k in ("xtl", "ytl", "xbr", "ybr")]
  assert corners == BOXES[1].tolist()
  assert [first.get("label"), second.get("label")] == ["a & <b>", "cat"]


def test_label_studio_has_a_task_for_each_image(image):
  output, _ = write("label_studio", image, [EMPTY, ROW])
  empty, task = json.loads((output / "label_studio.json").read_text())
  assert empty["predictions"][0]["result"] == []
  assert task["data"] == {"image": "/data/local-files/?d=in/a.b.png"}
  (prediction,) = task["predictions"]
  assert prediction["score"] == 0.9
  first, second = prediction["result"]
  assert first["value"].pop("rectanglelabels") == ["a & <b>"]
  assert second["value"]["rectanglelabels"] == ["cat"]
  assert (first["original_width"], first["original_height"]) == (30, 20)
  wanted = {"x": 20 / 3, "y": 15, "width": 100 / 3, "height": 30, "rotation": 0}
  assert first["value"] == pytest.approx(wanted)
  rows = [{"logits": np.log([0.25, 0.75])}]
  output, _ = write("label_studio", image, rows, threshold=0.8)
  (task,) = json.loads((output / "label_studio.json").read_text())
  (found,) = task["predictions"][0]["result"]
  assert found["type"] == "choices" and found["score"] == 0.25
  assert found["value"] == {"choices": ["cat"]}


@pytest.mark.parametrize(
  ("threshold", "count"), [(None, 2), (0.05, 3), (0.5, 2), (0.95, 0)]
)
def test_a_threshold_decides_what_counts(image, threshold, count):
  about = About(image.parent, NAMES, threshold=threshold)
  boxes = line(ROW, about)["boxes"]
  assert [box["class"] for box in boxes] == ["a & <b>", "cat", "cat"][:count]
  output, _ = write("coco", image, [ROW], threshold=threshold)
  whole = json.loads((output / "coco.json").read_text())
  assert len(whole["annotations"]) == count
  assert len(json.loads((output / "results.json").read_text())) == 3
  _, entry = write("overlay", image, [ROW], threshold=threshold)
  drawn = cv2.imread(entry["overlay"])[..., ::-1]
  assert drawn.shape == (220, 330, 3)  # by a whole factor
  changed = (drawn != shown(image).repeat(11, 0).repeat(11, 1)).any()
  assert changed == (count > 0)


@pytest.mark.parametrize(
  ("values", "kind"),
  [((), np.uint8), ((0, 255), np.uint8), ((7, 40_000), np.uint16)],
)
def test_masks_have_the_values_that_came_in(image, values, kind):
  target = RNG.integers(0, 2, (20, 30)).astype(np.uint8)
  _, entry = write("masks", image, [{"target": target}], mask_values=values)
  read = cv2.imread(entry["mask"], cv2.IMREAD_UNCHANGED)
  assert read.dtype == kind
  np.testing.assert_array_equal(read, np.array(values or (0, 1))[target])
  data = {"target": pathlib.Path(entry["mask"]).read_bytes()}
  back = decode_target(2, mask_values=values)(data, None)["target"]
  np.testing.assert_array_equal(back, target)
  # One that the net saw smaller is as large as the image.
  small = RNG.integers(0, 2, (10, 10)).astype(np.uint8)
  _, entry = write("masks", image, [{"target": small}], mask_values=values)
  read = cv2.imread(entry["mask"], cv2.IMREAD_UNCHANGED)
  large = small.repeat(2, 0).repeat(3, 1)
  np.testing.assert_array_equal(read, np.array(values or (0, 1))[large])
  many = np.full((20, 30), 300)  # more classes than bytes
  _, entry = write("masks", image, [{"target": many}], class_names=())
  read = cv2.imread(entry["mask"], cv2.IMREAD_UNCHANGED)
  assert read.dtype == np.uint16 and (read == 300).all()


def test_an_overlay_is_as_wide_as_the_image_and_the_legend_beside(image):
  target = RNG.integers(0, 2, (20, 30)).astype(np.uint8)
  output, entry = write("overlay", image, [{"target": target}])
  drawn = cv2.imread(entry["overlay"])[..., ::-1]
  wanted = overlay_mask(shown(image), target, 2)
  np.testing.assert_array_equal(drawn, wanted)
  colours = cv2.imread(str(output / "legend.png"))[..., ::-1]
  np.testing.assert_array_equal(colours, legend(NAMES))
  assert (colours[0, -1] == palette(2)[0]).all()
  output, _ = write("overlay", image, [{"target": target}], class_names=())
  assert {p.name for p in output.glob("overlays/in/*")} == {"0.png"}


def test_each_format_says_what_it_fits():
  known = formats()
  fitting = lambda *outputs: {n for n, w in known.items() if fits(w, outputs)}
  any_of = {"json", "contact_sheet"}
  assert fitting("logits", "label") == {"csv", "label_studio"} | any_of
  boxes = {"coco", "crops", "csv", "cvat", "label_studio", "overlay", "voc"}
  boxes |= {"yolo", "yolo_scores"} | any_of
  assert fitting("boxes", "score", "label") == boxes
  assert fitting("target") == {"masks", "overlay"} | any_of
  maps = {"masks", "overlay", "probs", "prob_images"} | any_of
  assert fitting("target", "probs") == maps


def test_a_line_has_short_numbers(image):
  boxes = np.float32([[0.1, 40.8, 59.999, 22.48]])
  row = {name: value[:1] for name, value in ROW.items()} | {"boxes": boxes}
  (box,) = line(row, About(image.parent, NAMES))["boxes"]
  assert box == {
    "class": "a & <b>", "score": 0.9, "xyxy": [0.1, 40.8, 60.0, 22.48]
  }  # fmt: skip
