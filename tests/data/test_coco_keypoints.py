"""Keypoints of COCO's files: read, refused, moved with images, scored."""

import contextlib
import copy
import io
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.box_files import jpeg
from tests.oracles import library
from vision_jax.data.errors import DataError
from vision_jax.data.joins import mosaic
from vision_jax.data.sources.coco import CocoSource
from vision_jax.data.sources.coco_keypoints import Keypoints
from vision_jax.data.sources.people import KEYPOINTS, People
from vision_jax.errors import UserError
from vision_jax.metrics.coco import KEYPOINT_METRICS
from vision_jax.metrics.keypoints import (
  PREFIX,
  KeypointAveragePrecision,
  sigmas_of,
)
from vision_jax.ops.augment.boxes import random_crop_boxes, random_flip_boxes
from vision_jax.ops.augment.geometry import random_flip
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.detection import detection
from vision_jax.pipelines.sources.boxes import BoxData
from vision_jax.recipe import recipe

NAMES = ("nose", "left_ear", "right_ear", "tail")
POINTS = [30, 20, 2, 12, 10, 1, 7, 9, 0, 60, 40, 2]
CONFIG = "configs/detection/coco_keypoint_rcnn.py"


def content():
  """Two images of 40 x 60, a mouse in the first and in the second a crowd."""
  mouse = {"category_id": 7, "bbox": [6, 4, 24, 16], "keypoints": POINTS}
  none = {"image_id": 2, "iscrowd": 1, "keypoints": [0] * 12}
  return {
    "images": [
      {"id": i, "file_name": f"{i}.jpg", "height": 40, "width": 60}
      for i in (1, 2)
    ],
    "categories": [
      {
        **{"id": 7, "name": "mouse", "keypoints": [*NAMES]},
        "skeleton": [[1, 2], [1, 3]],
      }
    ],
    "annotations": [mouse | {"id": 1, "image_id": 1}, mouse | none | {"id": 2}],
  }


def write(root, given, name="train.json"):
  for image in given["images"]:
    data = jpeg(image["height"], image["width"], str(image["id"]))
    (root / image["file_name"]).write_bytes(data)
  path = root / name
  path.write_text(json.dumps(given))
  return path


def source(root, given=None, names=(), **options):
  path = write(root, given or content())
  return CocoSource(path, root, keypoints=names, **options)


def test_keypoints_are_read_as_parts_of_their_image(tmp_path):
  made = source(tmp_path)
  assert made.kind == Keypoints(NAMES, ((0, 1), (0, 2)))
  assert made.kind.mirrored == (0, 2, 1, 3)
  first, second = made.read(np.arange(2))
  expected = [[0.5, 0.5, 2], [0.2, 0.25, 1], [0, 0, 0], [1, 1, 2]]
  np.testing.assert_allclose(first["keypoints"][0], expected, atol=1e-7)
  assert first["keypoints"].dtype == np.float32
  assert second["crowd"].tolist() == [1] and not second["keypoints"].any()
  assert made.labelled().tolist() == [3, 0]
  path = tmp_path / "train.json"
  assert "keypoints" not in CocoSource(path, tmp_path).read(np.arange(1))[0]


def changed(where, **values):
  made = copy.deepcopy(content())
  made[where][0] |= values
  return made


def second_category(**values):
  made = content()
  mouse = made["categories"][0] | {"id": 8, "name": "rat"}
  made["categories"].append(mouse | values)
  made["annotations"][1]["category_id"] = 8
  return made


@pytest.mark.parametrize(
  ("given", "message"),
  [
    (
      changed("annotations", keypoints=POINTS[:9]),
      r"annotations\[0\] has 9 numbers of keypoints, not the 12 of 4 named; "
      "expected x, y and visibility of each.*on_bad_box=drop",
    ),
    (
      changed("categories", keypoints=[*NAMES[:3]]),
      r"\[0\] has 12 numbers of keypoints, not the 9 of 3 named",
    ),
    (
      changed("annotations", keypoints=[*POINTS[:5], 3, *POINTS[6:]]),
      r"\[0\] has the visibility 3 of 'left_ear', not 0, 1 or 2",
    ),
    (
      changed("annotations", keypoints=[None, *POINTS[1:]]),
      r"\[0\] has 'nose' at \[None, 20\], which is no place",
    ),
    (changed("annotations", keypoints=None), "has no list of keypoints"),
    (
      changed("annotations", category_id=9),
      r"\[0\] has category_id 9, which is missing",
    ),
    (
      changed("categories", keypoints=[]),
      r"category 7 'mouse' has keypoints \[\]; expected a list of names",
    ),
    (changed("categories", keypoints=["a", "a"]), "none twice"),
    (
      changed("categories", skeleton=[[1, 5]]),
      r"has skeleton \[\[1, 5\]\]; expected pairs of keypoints, 1 to 4",
    ),
    (
      changed("categories", flip_pairs=[[1, 2], [2, 3]]),
      "expected each keypoint in one pair at most",
    ),
    (
      second_category(keypoints=[*NAMES[::-1]]),
      "category 8 'rat' has the keypoints tail, .* not those of .* 7 'mouse'",
    ),
  ],
)
def test_what_cannot_be_keypoints_is_said(tmp_path, given, message):
  with pytest.raises(DataError, match=rf"train\.json: .*{message}"):
    source(tmp_path, given).read(np.arange(1))


def test_bad_keypoints_may_be_dropped_and_names_have_their_order(tmp_path):
  bad = changed("annotations", keypoints=[])
  made = source(tmp_path, bad, on_bad_box="drop")
  assert [len(x["boxes"]) for x in made.read(np.arange(2))] == [0, 1]
  assert made.read(np.arange(1))[0]["keypoints"].shape == (0, 4, 3)
  with pytest.raises(DataError, match=r"expected tail, .*keypoint_names"):
    source(tmp_path, names=NAMES[::-1]).read(np.arange(1))
  assert source(tmp_path, second_category()).num_classes == 2


def test_left_and_right_change_by_their_names_or_as_the_category_says():
  names = ("Left_A", "RIGHT B", "LEFT B", "Right_A", "c")
  assert Keypoints(names).mirrored == (3, 2, 1, 0, 4)
  assert Keypoints(names, (), ((0, 4),)).mirrored == (4, 1, 2, 3, 0)
  assert sorted(KEYPOINTS.mirrored) == [*range(17)]
  with pytest.raises(DataError, match=r"'left_paw' .* no keypoint is 'right_p"):
    _ = Keypoints(("left_paw", "tail")).mirrored


def batch_of_people(size=4):
  examples = People("train", size, size=64, most=1).read(np.arange(size))
  keys = ("image", "boxes", "keypoints")
  batch = {k: np.stack([x[k] for x in examples]) for k in keys}
  return batch | {
    "box_mask": np.ones((size, 1), np.float32),
    "index": np.arange(size, dtype=np.int32),
  }


def test_a_flip_changes_left_and_right_and_twice_is_nothing():
  batch, key = batch_of_people(), jax.random.key(0)
  flip = jax.jit(random_flip_boxes(1.0, mirrored=KEYPOINTS.mirrored))
  once = flip(batch, key)
  swapped = batch["keypoints"][:, :, list(KEYPOINTS.mirrored)]
  np.testing.assert_array_equal(once["keypoints"][..., 2], swapped[..., 2])
  labelled = swapped[..., 2] > 0
  np.testing.assert_allclose(
    once["keypoints"][..., 0], np.where(labelled, 1 - swapped[..., 0], 0)
  )
  np.testing.assert_array_equal(once["keypoints"][..., 1], swapped[..., 1])
  twice = flip(once, key)["keypoints"]
  np.testing.assert_allclose(twice, batch["keypoints"], atol=1e-7)
  half = jax.jit(random_flip_boxes(0.5, mirrored=KEYPOINTS.mirrored))(
    batch, key
  )
  same = (half["image"] == batch["image"]).all((1, 2, 3))
  equal = (half["keypoints"] == batch["keypoints"]).all((1, 2, 3))
  assert same.tolist() == equal.tolist() and 0 < same.sum() < len(same)
  for wrong in (None, (0, 1), (0,) * 17):
    with pytest.raises(UserError, match=r"mirrored: got .* for 17 keypoints"):
      jax.eval_shape(random_flip_boxes(mirrored=wrong), batch, key)
  with pytest.raises(UserError, match="random_flip: the batch has keypoints"):
    random_flip()(batch, key)


@pytest.mark.parametrize("padded", [False, True])
def test_a_window_moves_keypoints_with_their_boxes(padded):
  """A keypoint at a box's corner stays there; beyond the window it is none."""
  size, rng = 64, np.random.default_rng(0)
  side = rng.uniform(0.1, 0.3, (size, 1, 2))
  low = rng.uniform(0, 0.7, (size, 1, 2))
  corners = np.stack([low, low + side], 2)
  batch = {
    "image": np.zeros((size, 8, 8, 1), np.float32),
    "boxes": np.concatenate([low + side / 2, side], -1).astype(np.float32),
    "keypoints": np.insert(corners, 2, 2, axis=-1).astype(np.float32),
    **{"box_mask": np.ones((size, 1)), "index": np.arange(size)},
  }
  if padded:
    batch["image_mask"] = np.float32(np.arange(8) < 6) * np.ones((size, 8, 1))
  crop = random_crop_boxes((0.5, 1.4), visible=0.0)
  new = jax.jit(crop)(batch, jax.random.key(1))
  points, there = np.asarray(new["keypoints"]), np.asarray(new["box_mask"]) > 0
  seen = points[..., 2] > 0
  assert there.any() and not there.all() and not seen[~there].any()
  assert not points[~seen].any()
  inside = seen.all(-1)  # both corners, so the box is whole
  centre, half = np.split(np.asarray(new["boxes"]), 2, -1)
  whole = np.stack([centre - half / 2, centre + half / 2], 2)
  np.testing.assert_allclose(points[inside][..., :2], whole[inside], atol=1e-5)
  cut = there & ~inside
  assert cut.any() and inside.any()


def test_a_mosaic_moves_keypoints_with_their_boxes():
  examples = People("train", 4, size=32, most=1).read(np.arange(4))
  for example in examples:  # a keypoint at the middle of its box
    middle = example["boxes"][:, None, :2]
    example["keypoints"] = np.insert(middle, 2, 2, axis=-1)
  made = mosaic((64, 64), visible=1.0)(examples, np.random.default_rng(0))
  assert len(made["boxes"])
  np.testing.assert_allclose(
    made["keypoints"][:, 0, :2], made["boxes"][:, :2], atol=1e-6
  )
  masks = [x | {"masks": np.zeros((1, 32, 32))} for x in examples]
  with pytest.raises(DataError, match="masks, which would not follow"):
    mosaic((64, 64))(masks, np.random.default_rng(0))


def scored_case(root, images=12):
  """A file of people, and what is found: near them, far, and of nobody."""
  rng = np.random.default_rng(5)
  given = {"images": [], "annotations": [], "categories": []}
  given["categories"] = [
    {"id": 1, "name": "person", "keypoints": [*KEYPOINTS.names]}
  ]
  results = []
  for i in range(images):
    h, w = (int(x) for x in rng.integers(60, 200, 2))
    name = f"{i}.jpg"
    image = {"id": 3 * i + 1, "file_name": name, "height": h, "width": w}
    given["images"].append(image)
    for _ in range(rng.integers(0, 4)):
      low = rng.uniform(0, 0.4, 2) * [w, h]
      side = rng.uniform(0.3, 0.6, 2) * [w, h]
      places = low + rng.uniform(size=(17, 2)) * side
      labels = rng.random() < 0.8
      seen = rng.integers(0, 3, (17, 1)) * labels
      points = np.concatenate([np.where(seen > 0, places, 0), seen], 1)
      given["annotations"].append(
        {
          **{"id": len(given["annotations"]) + 1, "image_id": image["id"]},
          **{"category_id": 1, "bbox": [*low, *side]},
          "area": float(side.prod() * rng.uniform(0.3, 0.9)),
          "iscrowd": int(rng.random() < 0.15),
          "keypoints": points.ravel().tolist(),
          "num_keypoints": int((seen > 0).sum()),
        }
      )
      for _ in range(rng.integers(0, 3)):
        away = rng.exponential(6) * rng.normal(size=(17, 2))
        results.append((image["id"], places + away, rng.random()))
  return write(root, given, "people.json"), results


def oracle(path, results):
  """pycocotools' 10 metrics of the file."""
  coco = library("pycocotools.coco")
  evaluation = library("pycocotools.cocoeval")
  rows = [
    {
      **{"image_id": i, "category_id": 1, "score": float(np.float32(score))},
      "keypoints": np.insert(np.float32(x), 2, 1, axis=1).ravel().tolist(),
    }
    for i, x, score in results
  ]
  with contextlib.redirect_stdout(io.StringIO()):
    truth = coco.COCO(str(path))
    scored = evaluation.COCOeval(truth, truth.loadRes(rows), "keypoints")
    scored.evaluate()
    scored.accumulate()
    scored.summarize()
  return scored.stats


def found_in(results, ids, most):
  """What a task would give for the images of a batch."""
  out = {
    "boxes": np.zeros((len(ids), most, 4), np.float32),
    "score": np.zeros((len(ids), most), np.float32),
    "label": np.zeros((len(ids), most), np.int32),
    "keypoints": np.zeros((len(ids), most, 17, 3), np.float32),
  }
  for row, image in enumerate(ids):
    own = [x for x in results if x[0] == image]
    for p, (_, places, score) in enumerate(own):
      out["score"][row, p] = score
      out["keypoints"][row, p, :, :2] = places
  return out


def test_average_precision_of_a_file_is_pycocotools(tmp_path):
  path, results = scored_case(tmp_path)
  made = CocoSource(
    path, tmp_path, on_bad_box="drop", exact=True, keypoints=KEYPOINTS.names
  )
  metric = KeypointAveragePrecision(made.class_names)
  data = detection(
    train=made,
    evals={"val": made},
    class_names=made.class_names,
    image_size=(32, 32),
    max_boxes=4,
    letterbox=True,
    loading=Loading(4, 4, threads=1),
    metrics={"keypoints": metric},
  )
  rows = []
  for batch in data.evals["val"].data.epoch():
    ids = [made.image_ids[i] for i in batch["index"]]
    out = found_in(results, ids, 8)
    _, found = metric.measure((), jax.tree.map(jnp.asarray, out), batch)
    rows.append(jax.device_get(found) | {"index": batch["index"]})
  rows = {k: np.concatenate([x[k] for x in rows]) for k in rows[0]}
  got = metric.result({}, rows)
  stats = oracle(path, results)
  assert 0.1 < stats[0] < 0.9
  ours = [got[PREFIX + name] for name in KEYPOINT_METRICS]
  np.testing.assert_allclose(ours, stats, rtol=0, atol=1e-12)


def test_ones_own_folder_needs_no_names(tmp_path):
  """Of a layout that is found out: val is a tenth of train."""
  given = content()
  for i in range(3, 12):
    given["images"].append(
      given["images"][0] | {"id": i, "file_name": f"{i}.jpg"}
    )
    new = given["annotations"][0] | {"id": i, "image_id": i}
    given["annotations"].append(new)
  write(tmp_path, given, "labels.json")
  overrides = {
    **{"data_dir": str(tmp_path), "dataset": "folder", "splits": ""},
    **{"sigmas": "0.05,0.05,0.05,0.1", "image_size": "32,32", "epochs": "0"},
    **{"batch_size": "2", "least_points": "2"},
  }
  loaded = recipe.load(CONFIG, overrides)
  config = loaded.config
  assert tuple(config.keypoint_names) == NAMES
  assert tuple(config.mirrored) == (0, 2, 1, 3)
  assert tuple(config.skeleton) == ((0, 1), (0, 2))
  experiment = loaded.build()
  batch = experiment.train_data.batch(0)
  assert batch["keypoints"].shape == (2, 100, 4, 3)
  assert experiment.task.model.num_keypoints == 4
  held = next(experiment.evals["val"].data.epoch())
  assert held["keypoints"].shape[2:] == (4, 3)
  experiment.train_data.close()
  few = {"least_points": "4"}
  with pytest.raises(UserError, match=r"least_points: got 4; .*most are 3"):
    recipe.load(CONFIG, overrides | few).build().train_data.batch(0)
  with pytest.raises(UserError, match="sigmas: got 0 numbers for 4 keypoints"):
    recipe.load(CONFIG, overrides | {"sigmas": ""}).build()


def test_what_has_no_keypoints_says_so():
  assert len(sigmas_of(KEYPOINTS.names)) == 17
  asked = {"class_names": ("a",), "keypoints": ()}
  with pytest.raises(UserError, match="expected coco, folder or people"):
    BoxData("voc", **asked).open("train")


def test_people_are_the_same_wherever_they_are_drawn():
  whole = People("val", 3, size=48)
  (alone,) = People("val", 3, size=48).read(np.arange(2, 3))
  other = whole.read(np.arange(3))[2]
  for name, value in alone.items():
    np.testing.assert_array_equal(value, other[name])
  seen = alone["keypoints"][..., 2] > 0
  low, high = (
    alone["boxes"][:, None, :2] + s * alone["boxes"][:, None, 2:] / 2
    for s in (-1, 1)
  )
  place = alone["keypoints"][..., :2]
  assert ((place >= low - 1e-6) & (place <= high + 1e-6))[seen].all()
  for wrong in ({"split": "all"}, {"length": 0}, {"size": 16}):
    with pytest.raises(DataError, match="people: got"):
      People(**{"split": "val", "length": 1} | wrong)
