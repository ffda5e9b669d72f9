"""Sources of boxes: what they read, and what they say of wrong files."""

import json
import pathlib

import jax
import numpy as np
import pytest

from tests.box_files import changed, coco_content, write_coco, write_voc
from vision_jax.data.errors import BadImage, DataError
from vision_jax.data.loader import Loader
from vision_jax.data.sources.box_check import BoxCheck
from vision_jax.data.sources.coco import CocoSource
from vision_jax.data.sources.coco_results import coco_results, write_json
from vision_jax.data.sources.tfds_detection import TfdsDetection
from vision_jax.data.sources.voc import VocSource
from vision_jax.data.transforms.boxes import (
  check_size,
  letterbox,
  pad_boxes,
  record_size,
  to_fractions,
  to_pixels,
)
from vision_jax.data.transforms.image import decode, resize
from vision_jax.recipe import recipe

ALL = np.arange(2)


def test_voc_reads_boxes_classes_and_difficult_ones(tmp_path):
  write_voc(tmp_path, [("dog", 6, 4, 30, 20), ("hard", 0, 0, 60, 40)])
  write_voc(tmp_path, [], name="two")
  source = VocSource(tmp_path, "train")
  assert source.class_names == ("dog", "hard") and len(source) == 2
  first, empty = source.read(ALL)
  np.testing.assert_allclose(first["boxes"][0], [0.3, 0.3, 0.4, 0.4])
  assert first["label"].tolist() == [0, 1]
  assert first["ignore"].tolist() == [0, 1] and first["size"].tolist() == [
    40,
    60,
  ]
  assert empty["boxes"].shape == (0, 4) and empty["label"].dtype == np.int32


def test_voc_files_may_count_from_one(tmp_path):
  write_voc(tmp_path, [("dog", 1, 1, 60, 40)])
  (example,) = VocSource(tmp_path, "train", one_based=True).read(ALL[:1])
  np.testing.assert_allclose(example["boxes"], [[0.5, 0.5, 1, 1]])


@pytest.mark.parametrize(
  ("box", "message"),
  [
    ((5, 5, 5, 9), "no area"),
    ((9, 5, 5, 9), "negative"),
    (("nan", 5, 9, 9), "not a number"),
    ((5, 5, 70, 9), "leaves the image"),
  ],
)
def test_a_wrong_box_is_named(tmp_path, box, message):
  write_voc(tmp_path, [("dog", 1, 1, 5, 5), ("dog", *box)])
  with pytest.raises(
    DataError, match=rf"one\.xml: box 1 .*{message}.*on_bad_box"
  ):
    VocSource(tmp_path, "train").read(ALL[:1])
  source = VocSource(tmp_path, "train", on_bad_box="drop")
  for _ in range(2):  # counted once
    boxes = source.read(ALL[:1])[0]["boxes"]
    cut = "leaves" in message  # what is left of it is learned from
    assert len(boxes) == 1 + cut and boxes.max() <= 1
  assert len(source.check.bad) == 1


def test_a_box_is_cut_to_the_image():
  check = BoxCheck("clip")
  boxes, kept = check([[5, 5, 70, 9], [-3, 0, 2, 50]], (40, 60), "file")
  assert boxes.tolist() == [[5, 5, 60, 9], [0, 0, 2, 40]]
  assert kept.tolist() == [0, 1] and len(check.bad) == 2
  for box in ([5, 5, 5, 9], [70, 5, 80, 9], [np.nan, 0, 1, 1]):
    with pytest.raises(DataError, match="file: box 0"):
      check([box], (40, 60), "file")
  with pytest.raises(DataError, match="on_bad_box: got 'keep'"):
    BoxCheck("keep")


def test_an_unknown_class_is_named(tmp_path):
  write_voc(tmp_path, [("cat", 1, 1, 5, 5)])
  with pytest.raises(
    DataError, match=r"one\.xml: object 0 .*'cat'.*one of dog"
  ):
    VocSource(tmp_path, "train", ("dog",)).read(ALL[:1])


@pytest.mark.parametrize("relative", [False, True])
def test_fingerprints_follow_annotations_and_images(
  tmp_path, monkeypatch, relative
):
  monkeypatch.chdir(tmp_path)
  root = pathlib.Path() if relative else tmp_path
  voc, coco = root / "voc", root / "coco"
  write_voc(voc, [("dog", 1, 1, 5, 5)])
  coco.mkdir()
  write_coco(coco, coco_content())
  voc_of = lambda: VocSource(voc, "train").fingerprint()
  labels = coco / "labels.json"
  coco_of = lambda: CocoSource(labels, coco, root=root).fingerprint()
  for of, image, text in (
    (voc_of, voc / "JPEGImages" / "one.jpg", voc / "Annotations" / "one.xml"),
    (coco_of, coco / "b.jpg", labels),
  ):
    seen = {of(), of()}
    for file in (image, text):
      file.write_bytes(file.read_bytes() + b"\n")
      seen |= {of(), of()}
    image.unlink()
    assert len(seen | {of()}) == 4


def test_voc_folders_that_are_wrong(tmp_path):
  write_voc(tmp_path, [("dog", 1, 1, 5, 5)])
  with pytest.raises(DataError, match=r"no list .*val\.txt; it has train"):
    len(VocSource(tmp_path, "val"))
  (tmp_path / "JPEGImages" / "one.jpg").unlink()
  with pytest.raises(BadImage, match=r"one\.jpg"):
    VocSource(tmp_path, "train").read(ALL[:1])
  path = tmp_path / "Annotations" / "one.xml"
  for text, message in (("<annotation>", "cannot be read"), ("<a/>", "height")):
    path.write_text(text)
    with pytest.raises(DataError, match=rf"one\.xml.*{message}"):
      VocSource(tmp_path, "train").read(ALL[:1])


def test_coco_reads_boxes_and_maps_its_ids(tmp_path):
  source = write_coco(tmp_path, coco_content())
  assert source.class_names == ("cat", "owl")
  assert source.category_ids == (5, 90) and source.image_ids == (7, 3)
  first, empty = source.read(ALL)
  np.testing.assert_allclose(first["boxes"][0], [0.3, 0.3, 0.4, 0.4])
  assert first["label"].tolist() == [1, 0]
  assert first["crowd"].tolist() == [1, 0]
  assert first["area"].tolist() == [123, 2400]
  assert empty["boxes"].shape == (0, 4) and len(empty["area"]) == 0


@pytest.mark.parametrize(
  ("content", "message"),
  [
    ("no json", "cannot be read"),
    ("[]", "no list 'images'"),
    ({"images": [], "annotations": []}, "no list 'categories'"),
    (changed("images", 1, id=7), r"images\[0\] and images\[1\] .* id 7"),
    (changed("categories", 1, id=90), r"categories\[1\] both"),
    (
      changed("annotations", 1, category_id=6),
      r"annotations\[1\] .* 6, .*5, 90",
    ),
    (changed("annotations", 0, image_id=8), r"annotations\[0\] .*image_id 8"),
    (changed("annotations", 1, bbox=[1, 2, 3]), r"annotations\[1\] has bbox"),
    (
      changed("annotations", 1, bbox=[1, 2, 0, 3]),
      r"annotations\[1\] .*no area",
    ),
    (
      {**coco_content(), "images": [{"id": 1}]},
      r"images\[0\] has no file_name",
    ),
  ],
)
def test_a_json_that_is_not_cocos_is_an_error(tmp_path, content, message):
  with pytest.raises(DataError, match=rf"labels\.json.*{message}"):
    write_coco(tmp_path, content).read(ALL)


def test_results_are_cocos(tmp_path):
  rows = coco_results(7, [[1, 2, 5, 8]], [0.5], [1], (5, 90))
  assert rows == [
    {"image_id": 7, "category_id": 90, "bbox": [1, 2, 4, 6], "score": 0.5}
  ]
  write_json(tmp_path / "r.json", rows)
  assert json.loads((tmp_path / "r.json").read_text()) == rows


def test_padding_has_a_limit():
  example = {"boxes": np.ones((3, 4)), "label": np.arange(3), "name": "a.xml"}
  padded = pad_boxes(5)(example, None)
  assert padded["boxes"].shape == (5, 4) and padded["label"].tolist()[3:] == [
    0,
    0,
  ]
  assert padded["box_mask"].tolist() == [1, 1, 1, 0, 0]
  with pytest.raises(DataError, match=r"a\.xml: has 3 boxes.*max_boxes=3"):
    pad_boxes(2)(example, None)


def test_a_letterbox_keeps_proportions():
  image = np.full((40, 60, 3), 9, np.uint8)
  example = letterbox((32, 32))(record_size()({"image": image}, None), None)
  assert example["size"].tolist() == [40, 60]
  assert example["image"].shape == (32, 32, 3)
  assert (
    example["image_mask"][:21].all() and not example["image_mask"][21:].any()
  )
  assert not example["image"][21:].any() and example["image"][:21].all()


def test_an_image_of_another_size_than_told_is_an_error():
  example = {"image": np.zeros((4, 6, 3)), "size": (6, 4), "name": "a.xml"}
  with pytest.raises(DataError, match=r"a\.xml: is 4x6 .* says 6x4"):
    check_size()(example, None)


def test_bccd_is_read_from_both_its_forms(data_root):
  names = ("Platelets", "RBC", "WBC")
  totals = np.zeros((2, 3), int)
  bad = []
  for split, theirs, count in (
    ("train", "train", 205),
    ("val", "validation", 87),
    ("test", "test", 72),
  ):
    voc = VocSource(data_root / "bccd_voc", split, on_bad_box="drop")
    prepared = TfdsDetection("bccd", theirs, data_root, on_bad_box="drop")
    assert voc.class_names == names and set(prepared.class_names) == set(names)
    assert len(voc) == len(prepared) == count
    for row, source in enumerate((voc, prepared)):
      order = [names.index(name) for name in source.class_names]
      for example in source.read(np.arange(count)):
        np.add.at(totals[row], np.array(order)[example["label"]], 1)
        assert (example["boxes"][:, 2:] > 0).all()
    bad += list(voc.check.bad)
  assert totals[0].tolist() == [361, 4155 - len(bad), 372]
  assert totals[0].tolist() == totals[1].tolist()
  assert len(bad) == 2 and any("00343" in name for name in bad)
  with pytest.raises(DataError, match=r"BloodImage_00343\.xml: box \d+ has no"):
    VocSource(data_root / "bccd_voc", "train").read(np.arange(205))


def test_a_batch_of_a_loader(tmp_path):
  write_voc(tmp_path, [("dog", 6, 4, 30, 20)])
  write_voc(tmp_path, [], name="two")
  steps = [decode(), check_size(), resize((16, 16)), pad_boxes(3)]
  batch = Loader(VocSource(tmp_path, "train"), steps, 2, shuffle=False).batch(0)
  assert (
    batch["boxes"].shape == (2, 3, 4) and batch["boxes"].dtype == np.float32
  )
  assert batch["box_mask"].tolist() == [[1, 0, 0], [0, 0, 0]]
  assert batch["image"].shape == (2, 16, 16, 3)


def test_the_voc_config_reads_its_classes_from_a_folder(tmp_path):
  for split in ("train", "val"):
    boxes = [("hen", 6, 4, 30, 20), ("ox", 0, 0, 60, 40)]
    write_voc(tmp_path, boxes, name=split, split=split)
  overrides = {"data_dir": str(tmp_path), "batch_size": "2"}
  loaded = recipe.load("configs/detection/voc_detr.py", overrides)
  assert tuple(loaded.config.class_names) == ("hen", "ox")
  check_batches(loaded.build())


def test_the_coco_config_reads_a_folder(tmp_path):
  (tmp_path / "annotations").mkdir()
  for split in ("train2017", "val2017"):
    (tmp_path / split).mkdir()
    write_coco(tmp_path / split, coco_content())
    path = tmp_path / split / "labels.json"
    path.rename(tmp_path / "annotations" / f"instances_{split}.json")
  overrides = {"data_dir": str(tmp_path), "batch_size": "2"}
  loaded = recipe.load("configs/detection/coco_detr_r50.py", overrides)
  assert tuple(loaded.config.class_names) == ("cat", "owl")
  check_batches(loaded.build())


def check_batches(experiment):
  """Training takes what the augmentation gives; evaluation has the truth."""
  batch = experiment.train_data.batch(0)
  given = jax.eval_shape(experiment.inputs, batch)
  augmented = jax.eval_shape(experiment.augment, given, jax.random.key(0))
  assert jax.tree.map(np.shape, batch) == jax.tree.map(np.shape, augmented)
  (evaluation,) = experiment.evals.values()
  held = next(evaluation.data.epoch())
  assert held["size"][0].tolist() == [40, 60]
  assert held["box_mask"][held["mask"] > 0].sum() == 2
  assert 0.6 < held["image_mask"][0].mean() < 0.7


def test_boxes_become_pixels_and_fractions_again():
  boxes = np.array([[0.5, 0.25, 0.5, 0.5], [0.1, 0.9, 0.2, 0.2]], np.float32)
  corners = to_pixels(boxes, (40, 100))
  wanted = [[25, 0, 75, 20], [0, 32, 20, 40]]
  np.testing.assert_allclose(corners, wanted, atol=1e-5)
  np.testing.assert_allclose(to_fractions(corners, (40, 100)), boxes, 1e-6)
  assert to_pixels(np.zeros((0, 4)), (40, 100)).shape == (0, 4)
