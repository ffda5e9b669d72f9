"""COCO files: labels by name, boxes as they are scored, wrong files."""

import copy
import json
import types
from unittest import mock

import numpy as np
import pytest

from tests.box_files import changed, coco_content, jpeg, write_coco
from tests.oracles import library
from vision_jax.data.errors import BadImage, DataError
from vision_jax.data.sources import tfds_detection
from vision_jax.data.sources.box_check import BoxCheck
from vision_jax.data.sources.coco import CocoSource
from vision_jax.data.sources.tfds_detection import TfdsDetection
from vision_jax.metrics.coco import BoxTable, coco_ap

NAMES = ("ant", "bee", "cow")
PLACES = {"ant": [0, 0, 20, 10], "bee": [5, 5, 30, 30], "cow": [9, 2, 40, 20]}


def named_content(ids):
  """One image with a box of each category; ids are by name."""
  return {
    "images": [{"id": 1, "file_name": "a.jpg", "height": 40, "width": 60}],
    "categories": [{"id": i, "name": n} for n, i in ids.items()],
    "annotations": [
      {"image_id": 1, "category_id": i, "bbox": PLACES[n]}
      for n, i in ids.items()
    ],
  }


@pytest.mark.parametrize(
  "ids",
  [
    {"ant": 1, "bee": 2, "cow": 3},
    {"ant": 1, "cow": 2},  # val lacks the middle one
    {"bee": 1, "cow": 2},  # the first one
    {"cow": 1, "ant": 2, "bee": 3},  # another order
    {"bee": 90, "ant": 7},
  ],
)
def test_a_perfect_detector_is_perfect_however_a_file_counts(tmp_path, ids):
  """mmdetection#1732 and detectron2#1731: AP 0.5, 0 and 0.33 by ids."""
  source = write_coco(tmp_path, named_content(ids), NAMES)
  (example,) = source.read(np.arange(1))
  scale = np.array([60, 40, 60, 40])
  xywh = example["boxes"] * scale
  xywh[:, :2] -= xywh[:, 2:] / 2
  truth = BoxTable(np.zeros(len(ids), int), example["label"], xywh)
  found = BoxTable(
    np.zeros(len(ids), int),
    np.array([NAMES.index(n) for n in ids]),
    np.array([PLACES[n] for n in ids], float),
    np.full(len(ids), 0.9),
  )
  metrics = coco_ap(truth, found, [0], NAMES, per_class=False)
  assert metrics["ap"] == pytest.approx(1.0, abs=1e-6)
  assert source.category_ids == tuple(ids.get(n) for n in NAMES)


def test_given_names_are_the_labels(tmp_path):
  """mmdetection PR 5227: another order mislabelled, too few trained nothing."""
  content = named_content({"ant": 1, "bee": 2, "cow": 3})
  (example,) = write_coco(tmp_path, content, NAMES[::-1]).read(np.arange(1))
  assert example["label"].tolist() == [2, 1, 0]
  with pytest.raises(
    DataError, match=r"labels\.json: category 3 'cow', .*1 ann.*ant, bee"
  ):
    write_coco(tmp_path, content, NAMES[:2]).read(np.arange(1))
  with pytest.raises(DataError, match="class_names: has ant more than once"):
    write_coco(tmp_path, content, ("ant", *NAMES)).read(np.arange(1))


def test_a_grouping_category_is_left_out_and_said(tmp_path, caplog):
  content = named_content({"ant": 1, "bee": 2})
  content["categories"].insert(0, {"id": 0, "name": "ant"})
  source = write_coco(tmp_path, content)
  assert source.class_names == ("ant", "bee")
  assert "without any annotation: 0 'ant'" in caplog.text
  assert source.category_ids == (1, 2)
  twice = copy.deepcopy(content)
  twice["annotations"][0]["category_id"] = 0
  twice["annotations"].append({**content["annotations"][0]})
  with pytest.raises(
    DataError, match="categories 0 and 1 are both named 'ant'"
  ):
    write_coco(tmp_path, twice).read(np.arange(1))


def test_tfds_labels_follow_the_names(data_root):
  names = TfdsDetection("bccd", "test", data_root).class_names
  plain = TfdsDetection("bccd", "test", data_root)
  turned = TfdsDetection("bccd", "test", data_root, names[::-1])
  first, second = (s.read(np.arange(3)) for s in (plain, turned))
  for a, b in zip(first, second, strict=True):
    assert (a["label"] == 2 - b["label"]).all()
  few = TfdsDetection("bccd", "test", data_root, names[:2])
  with pytest.raises(DataError, match=f"{names[2]} are none of class_names"):
    few.read(np.arange(1))
  assert TfdsDetection("mnist", "test", data_root).check is not None
  with pytest.raises(DataError, match="has no feature objects"):
    len(TfdsDetection("mnist", "test", data_root))


BOXES = [[5, 5, 30, 9], [-6, 0, 20, 50], [70, 5, 80, 9], [5, 5, 5, 9]]


@pytest.mark.parametrize(
  ("policy", "exact", "left"),
  [
    ("drop", False, [[5, 5, 30, 9], [0, 0, 20, 40]]),
    ("drop", True, BOXES),
  ],
)
def test_training_cuts_and_evaluation_takes_the_files_boxes(
  policy, exact, left
):
  check = BoxCheck(policy, exact)
  broken = [[9, 5, 5, 9], [0, np.nan, 5, 9]]
  boxes, _ = check(BOXES + broken, (40, 60), "file")
  assert boxes.tolist() == left
  assert len(check.bad) == (2 if exact else 5)  # counted
  assert ("file: box 1" in check.bad) != exact


def test_boxes_out_of_the_image_are_scored_as_pycocotools_does(tmp_path):
  content = coco_content()
  content["annotations"] = [
    {"image_id": 7, "category_id": 5, "bbox": [-10, 0, 40, 40], "iscrowd": 0},
    {"image_id": 7, "category_id": 90, "bbox": [50, 30, 20, 0], "iscrowd": 0},
    {"image_id": 7, "category_id": 90, "bbox": [3, 3, 20, 10], "iscrowd": 0},
  ]
  options = {"on_bad_box": "drop", "exact": True}
  (first, _) = write_coco(tmp_path, content, **options).read(np.arange(2))
  scale = np.array([60, 40, 60, 40])
  xywh = first["boxes"].astype(float) * scale
  xywh[:, :2] -= xywh[:, 2:] / 2
  np.testing.assert_allclose(
    xywh, [a["bbox"] for a in content["annotations"]], atol=1e-5
  )
  found = [
    {"image_id": 7, "category_id": 5, "bbox": [0, 0, 31, 40], "score": 0.9},
    {"image_id": 7, "category_id": 90, "bbox": [3, 3, 20, 10], "score": 0.8},
  ]
  truth = BoxTable(np.zeros(3, int), first["label"], xywh, area=first["area"])
  ours = coco_ap(
    truth,
    BoxTable(
      np.zeros(2, int),
      np.array([0, 1]),
      np.array([f["bbox"] for f in found], float),
      np.array([0.9, 0.8]),
    ),
    [0, 1],
    ("cat", "owl"),
    per_class=False,
  )
  theirs = score(tmp_path / "labels.json", found)
  np.testing.assert_allclose(list(ours.values()), theirs, atol=1e-9)


def score(path, results):
  """pycocotools' twelve metrics of a list of results, or its file."""
  coco = library("pycocotools.coco")
  evaluation = library("pycocotools.cocoeval")
  content = json.loads(path.read_text())
  for i, row in enumerate(content["annotations"], 1):
    box = row["bbox"]
    row |= {"id": i, "area": row.get("area", box[2] * box[3])}
    row.setdefault("iscrowd", 0)
  truth = coco.COCO()
  truth.dataset = content
  truth.createIndex()
  found = truth.loadRes(results if isinstance(results, list) else str(results))
  scored = evaluation.COCOeval(truth, found, "bbox")
  scored.evaluate()
  scored.accumulate()
  scored.summarize()
  return scored.stats


def with_row(**values):
  return changed("annotations", 1, **values)


@pytest.mark.parametrize(
  ("content", "message"),
  [
    (
      {**coco_content(), "images": [1]},
      r"images\[0\] is 1; expected an object",
    ),
    ({**coco_content(), "annotations": [[]]}, r"annotations\[0\] is \[\]"),
    ({**coco_content(), "categories": [None]}, r"categories\[0\] is None"),
    (changed("images", 0, id="7"), r"images has ids of mixed types, '7', 3"),
    (changed("images", 0, id=None), r"images\[0\] has the id None"),
    (changed("images", 0, id=[1]), r"images\[0\] has the id \[1\]"),
    (changed("categories", 0, id="90"), "categories has ids of mixed types"),
    (changed("categories", 0, name=""), r"categories\[0\] has the name ''"),
    (changed("categories", 0, name=[]), r"categories\[0\] has the name \[\]"),
    (changed("images", 0, file_name=""), r"images\[0\] has the file_name ''"),
    (changed("images", 0, file_name=5), r"images\[0\] has the file_name 5"),
    (changed("images", 0, file_name="a\0"), r"images\[0\] has the file_name"),
    (changed("images", 0, height=None), r"images\[0\] has height None"),
    (changed("images", 0, width="60"), r"images\[0\] has .*width '60'"),
    (changed("images", 0, width=0), r"images\[0\] has .*width 0"),
    (changed("images", 0, width=float("inf")), r"width inf"),
    (changed("images", 0, width=1e30), r"width 1e\+30"),
    (
      changed("images", 0, width=10**400),
      r"images\[0\] has .*\.\.\.; expected",
    ),
    (changed("images", 0, height=2.5), r"height 2\.5"),
    (with_row(bbox=["0", "0", "5", "5"]), r"annotations\[1\] has bbox \['0'"),
    (with_row(bbox=[]), r"annotations\[1\] has bbox \[\]"),
    (with_row(bbox=None), r"annotations\[1\] has bbox None"),
    (with_row(bbox=[0, 0, float("nan"), 1]), r"annotations\[1\] has bbox"),
    (with_row(bbox=[0, 0, 10**400, 1]), r"annotations\[1\] has bbox"),
    (with_row(category_id="5"), r"annotations\[1\] has category_id '5'"),
    (with_row(category_id=[5]), r"annotations\[1\] has category_id \[5\]"),
    (with_row(image_id="7"), r"annotations\[1\] has image_id '7'"),
    (with_row(image_id={}), r"annotations\[1\] has image_id \{\}"),
    (with_row(area="big"), r"annotations\[1\] has the area 'big'"),
    (with_row(area=float("inf")), r"annotations\[1\] has the area inf"),
    (with_row(iscrowd=7), r"annotations\[1\] has iscrowd 7"),
    (with_row(iscrowd=[]), r"annotations\[1\] has iscrowd \[\]"),
    ("[" * 100_000, "cannot be read"),
  ],
)
def test_what_no_file_should_have(tmp_path, content, message):
  with pytest.raises(DataError, match=rf"labels\.json: .*{message}"):
    write_coco(tmp_path, content).read(np.arange(1))


def test_a_long_list_of_names_is_cut_short(tmp_path):
  names = tuple(f"class {i}" for i in range(3000))
  with pytest.raises(DataError, match="3000 in all") as caught:
    write_coco(tmp_path, coco_content(), names).read(np.arange(1))
  assert len(str(caught.value)) < 600


@pytest.mark.parametrize("box", [[], ["1", "1", "5", "5"], None])
def test_what_is_no_box_is_dropped_and_counted(tmp_path, box):
  source = write_coco(tmp_path, with_row(bbox=box), on_bad_box="drop")
  assert len(source.read(np.arange(1))[0]["boxes"]) == 1
  assert len(source.check.bad) == 1


@pytest.mark.parametrize("name", ["../b.jpg", "/etc/hostname", "x/../../b.jpg"])
def test_annotations_do_not_lead_out_of_the_data(tmp_path, name):
  folder = tmp_path / "data"
  folder.mkdir()
  (tmp_path / "b.jpg").write_bytes(jpeg(40, 60))
  content = changed("images", 1, file_name=name)
  source = write_coco(folder, content)
  with pytest.raises(DataError, match=r"images\[1\]: names .*outside.*images="):
    source.read(np.arange(1))


def test_the_folder_of_images_may_be_another_one_and_a_link(tmp_path):
  folder, images = tmp_path / "data", tmp_path / "images"
  folder.mkdir()
  write_coco(folder, changed("images", 1, file_name="../data/b.jpg"))
  images.symlink_to(folder)
  wide = CocoSource(folder / "labels.json", images, root=tmp_path)
  assert len(wide.read(np.arange(2))) == 2


class _Prepared:
  """Stands for a TFDS set of images with two objects each, `size` of them."""

  name, objects = "pets", {"bbox": None, "label": None}

  def __init__(self, size=1, last=(), **more):
    self.size, self.last, self.more = size, dict(last), more

  def __len__(self):
    return self.size

  def feature(self, name):
    return {"bbox": None, "label": types.SimpleNamespace(names=["cat", "dog"])}

  def read(self, indices):
    return [self.row(int(i)) for i in indices]

  def row(self, i):
    objects = {
      "bbox": np.array([[0, 0, 0.5, 0.5], [0, 0, 1, 1.2]], np.float32),
      "label": np.array([1, 0]),
      **self.more,
    }
    last = self.last if i == self.size - 1 else {}
    image = last.get("image", jpeg(40, 60))
    if image is None:
      raise BadImage(f"pets train [{i}]", "cannot be read")
    row = {"image": image, "objects": np.array(objects | last, object)}
    return row | {"name": f"pets train [{i}]"}


def prepared(exact=False, policy="drop", **more):
  opened = lambda *unused: _Prepared(**more)
  with mock.patch.object(tfds_detection, "TfdsSource", opened):
    return TfdsDetection("pets", "train", on_bad_box=policy, exact=exact)


def test_tfds_boxes_may_be_difficult_and_leave_the_image():
  """VOC's sets have `is_difficult`."""
  flags = {"is_difficult": np.array([True, False]), "is_crowd": [0, 1]}
  (example,) = prepared(**flags).read(np.arange(1))
  assert example["ignore"].tolist() == [1, 0]
  assert example["crowd"].tolist() == [0, 1]
  np.testing.assert_allclose(example["boxes"][1], [0.5, 0.5, 1, 1])
  (example,) = prepared(exact=True).read(np.arange(1))
  np.testing.assert_allclose(example["boxes"][1], [0.6, 0.5, 1.2, 1])
  assert "ignore" not in example


@pytest.mark.parametrize(
  ("last", "message"),
  [
    ({"label": np.array([0, 2])}, r"\[299\]: has the labels 0, 2"),
    ({"label": np.array([-1, 0])}, r"\[299\]: has the labels -1, 0"),
    ({"bbox": [[0, 0, 1, np.nan]]}, r"\[299\]: box 0 has .* not a number"),
  ],
)
def test_every_annotation_of_a_tfds_set_is_checked_on_first_use(last, message):
  good = [[0, 0, 1, 1], [0, 0, 0.5, 0.5]]
  source = prepared(policy="error", size=300, last=last, bbox=good)
  with pytest.raises(DataError, match=message):
    source.read(np.arange(1))


@pytest.mark.parametrize("image", [None, b"", b"no image"])
def test_a_bad_image_of_a_tfds_set_is_told_of_where_it_is_used(image):
  source = prepared(size=3, last={"image": image})
  assert len(source.read(np.arange(2))) == 2
  with pytest.raises(BadImage, match=r"pets train \[2\]"):
    source.read(np.arange(3))


def test_tfds_sets_that_are_wrong(monkeypatch):
  with pytest.raises(DataError, match=r"pets train \[0\]: has the labels 7, 0"):
    prepared(label=np.array([7, 0])).read(np.arange(1))
  source = prepared()
  monkeypatch.setattr(_Prepared, "feature", lambda self, name: {"bbox": None})
  with pytest.raises(DataError, match=r"pets: its feature `objects` is .*bbox"):
    len(source.class_names)
