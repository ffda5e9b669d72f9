"""COCO's average precision of keypoints against pycocotools."""

import contextlib
import dataclasses
import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.oracles import library
from tests.tables_families import FAMILIES
from vision_jax.errors import UserError
from vision_jax.metrics.coco import (
  KEYPOINT_METRICS,
  PERSON_SIGMAS,
  BoxTable,
  coco_ap,
)
from vision_jax.metrics.keypoints import PREFIX, KeypointAveragePrecision
from vision_jax.tasks.keypoint_detection import KeypointDetection

NAMES = ("person", "dog", "absent")


def random_case(seed, j=17):
  """Objects with gaps, crowds and none labelled; more than 20 found."""
  rng = np.random.default_rng(seed)
  images, count = [4, 9, 300], rng.integers(1, 9)
  found = rng.integers(0, 90)
  low = rng.uniform(0, 100, (count, 2))
  boxes = np.concatenate([low, rng.uniform(10, 200, (count, 2))], 1)
  part = rng.uniform(size=(count, j, 2))
  places = boxes[:, None, :2] + part * boxes[:, None, 2:]
  seen = rng.integers(0, 3, (count, j, 1)) * (rng.random((count, 1, 1)) < 0.8)
  truth = BoxTable(
    rng.choice(images, count),
    rng.integers(0, 2, count),
    boxes,
    area=boxes[:, 2:].prod(1) * rng.uniform(0.3, 0.9, count),
    crowd=(rng.random(count) < 0.2).astype(int),
    keypoints=np.concatenate([np.where(seen > 0, places, 0), seen], -1),
  )
  near = rng.integers(0, count, found)
  away = rng.exponential(5, (found, 1, 1)) * rng.normal(size=(found, j, 2))
  guess = np.concatenate([places[near] + away, np.ones((found, j, 1))], -1)
  score = np.round(rng.random(found), 2)
  columns = (truth.image[near], truth.label[near], np.zeros((found, 4)), score)
  return truth, BoxTable(*columns, keypoints=guess), images


def rows(table):
  return [
    {
      **{"id": i + 1, "image_id": int(table.image[i])},
      "category_id": int(table.label[i]),
      "keypoints": table.keypoints[i].ravel().tolist(),
    }
    for i in range(len(table))
  ]


def oracle(truth, found, images, sigmas):
  """pycocotools' 10 metrics and its precision, of results as it loads them."""
  coco = library("pycocotools.coco")
  from pycocotools.cocoeval import COCOeval

  gt, more = coco.COCO(), zip(rows(truth), range(len(truth)), strict=True)
  gt.dataset = {
    "images": [{"id": i} for i in images],
    "categories": [{"id": k} for k in range(len(NAMES))],
    "annotations": [
      row
      | {
        **{"bbox": truth.boxes[i].tolist(), "area": float(truth.area[i])},
        "iscrowd": int(truth.crowd[i]),
        "num_keypoints": int((truth.keypoints[i, :, 2] > 0).sum()),
      }
      for row, i in more
    ],
  }
  given = [
    row | {"score": float(x)}
    for row, x in zip(rows(found), found.score, strict=True)
  ]
  with contextlib.redirect_stdout(io.StringIO()):
    gt.createIndex()
    dt = gt.loadRes(given) if given else coco.COCO()
    if not given:
      dt.dataset = gt.dataset | {"annotations": []}
      dt.createIndex()
    evaluation = COCOeval(gt, dt, "keypoints")
    evaluation.params.kpt_oks_sigmas = np.array(sigmas)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
  return evaluation.stats, evaluation.eval["precision"][:, :, :, 0, -1]


@pytest.mark.parametrize("sigmas", [PERSON_SIGMAS, (0.1, 0.02, 0.3)])
def test_average_precision_of_keypoints_is_pycocotools(sigmas):
  for seed in range(12):
    truth, found, images = random_case(seed, len(sigmas))
    got = coco_ap(truth, found, images, NAMES, sigmas=sigmas)
    stats, precision = oracle(truth, found, images, sigmas)
    ours = [got[name] for name in KEYPOINT_METRICS]
    np.testing.assert_allclose(ours, stats, rtol=0, atol=1e-12)
    for k, name in enumerate(NAMES):
      own = precision[:, :, k]
      expected = own[own > -1].mean() if (own > -1).any() else -1
      assert abs(got[f"ap_class/{name}"] - expected) < 1e-12


def test_an_ignored_object_harms_nobody():
  truth, found, _ = random_case(3)
  keypoints = truth.keypoints[[0, 0]] + [[[0, 0, 1]], [[900, 0, 1]]]
  two = lambda x: np.asarray(x)[[0, 0]]
  truth = BoxTable(
    *(np.zeros(2, int), np.zeros(2, int), two(truth.boxes)),
    ignore=np.array([0, 1]),
    keypoints=keypoints,
  )
  score = np.array([0.5, 0.9])
  found = BoxTable(truth.image, truth.label, truth.boxes, score)
  found = dataclasses.replace(found, keypoints=keypoints)
  assert coco_ap(truth, found, [0], ["a"])["ap"] == 1
  wrong = keypoints.copy()
  wrong[1] += [450, 450, 0]  # the ignored one's neighbour does not count
  other = dataclasses.replace(found, keypoints=wrong)
  assert coco_ap(truth, other, [0], ["a"])["ap"] < 1


def test_a_sigma_too_few_is_an_error():
  truth, found, images = random_case(0)
  with pytest.raises(UserError, match="a sigma for each keypoint"):
    coco_ap(truth, found, images, NAMES, sigmas=(0.1,) * 16)
  with pytest.raises(UserError, match="above 0"):
    KeypointAveragePrecision(NAMES, sigmas=(0.1, 0.0))


def batch_of(rng, j):
  low = rng.uniform(0, 0.4, (2, 3, 2))
  size = rng.uniform(0.3, 0.6, (2, 3, 2))
  places = low[:, :, None] + rng.uniform(size=(2, 3, j, 2)) * size[:, :, None]
  labelled = np.ones((2, 3, j, 1))
  return {
    "image": np.zeros((2, 64, 64, 3), np.float32),
    "boxes": np.concatenate([low + size / 2, size], -1).astype(np.float32),
    "keypoints": np.concatenate([places, labelled], -1).astype(np.float32),
    "label": np.zeros((2, 3), np.int32),
    "box_mask": np.float32([[1, 1, 0], [1, 1, 1]]),
    "size": np.array([[64, 96], [128, 64]], np.int32),
    "index": np.array([5, 9]),
    "mask": np.ones(2, np.float32),
  }


def test_what_is_found_as_it_is_has_precision_one():
  batch = batch_of(np.random.default_rng(0), 3)
  metric = KeypointAveragePrecision(("a", "b"), True, sigmas=(0.1, 0.1, 0.2))
  scale = batch["size"][:, None, None, ::-1]
  places = batch["keypoints"][..., :2] * scale
  out = {
    "boxes": np.zeros((2, 3, 4), np.float32),
    "score": batch["box_mask"] * 0.9,
    "label": batch["label"],
    "keypoints": np.concatenate([places, places[..., :1]], -1),
  }
  sums, found = metric.measure((), jax.tree.map(jnp.asarray, out), batch)
  assert sums == {}
  found = jax.device_get(found) | {"index": batch["index"]}
  got = metric.result({}, found)
  assert sorted(got) == sorted(metric.names)
  assert got[PREFIX + "ap"] == got[PREFIX + "ap_class/a"] == 1
  half = found | {"found_score": found["found_score"] * [[1.0], [0.0]]}
  assert 0 < metric.result({}, half)[PREFIX + "ap"] < 1


@pytest.mark.slow
def test_it_measures_what_keypoint_rcnn_finds():
  model = FAMILIES["keypoint_rcnn"].make()
  task = KeypointDetection(model, least=0.0, detections=5)
  batch = batch_of(np.random.default_rng(1), 3)
  metric = KeypointAveragePrecision("abcd", sigmas=(0.1, 0.1, 0.2))

  def measured(key, batch):
    params, stats = task.init(key, batch)
    out = task.predict(params, stats, batch, key)
    return metric.measure((), out, batch)[1]

  shapes = jax.eval_shape(measured, jax.random.key(0), batch)
  assert shapes["found_keypoints"].shape == (2, 5, 3, 3)
  found = jax.tree.map(lambda x: np.ones(x.shape, x.dtype), shapes)
  got = metric.result({}, found | {"index": batch["index"]})
  assert 0 <= got[PREFIX + "ap"] <= 1
