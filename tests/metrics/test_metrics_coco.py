"""COCO's and VOC's average precision against independent oracles."""

import contextlib
import io
import time

import numpy as np
import pytest

from tests.oracles import library
from vision_jax.metrics.coco import METRICS, BoxTable, coco_ap
from vision_jax.metrics.voc import voc_ap

NAMES = ("cat", "dog", "owl", "absent")
CASES = 1000


def random_case(seed):
  """Boxes that often overlap, with ties, crowds and empty images."""
  rng = np.random.default_rng(seed)
  images = rng.choice(1000, rng.integers(1, 6), replace=False)
  count, found = rng.integers(0, 12), rng.integers(0, 25)

  def boxes(size):
    low = rng.uniform(0, 60, (size, 2))
    return np.concatenate([low, rng.uniform(1, 120, (size, 2))], 1)

  truth = BoxTable(
    rng.choice(images, count),
    rng.integers(0, 3, count),
    boxes(count),
    area=rng.uniform(1, 20_000, count),
    crowd=(rng.random(count) < 0.15).astype(int),
    ignore=np.zeros(count, int),
  )
  # Half of the detections are near a true box.
  near = rng.integers(0, max(count, 1), found)
  use = (rng.random(found) < 0.6) & (count > 0)
  guess = boxes(found)
  image, label = rng.choice(images, found), rng.integers(0, 3, found)
  if count:
    moved = truth.boxes[near] + rng.normal(0, 3, (found, 4))
    guess = np.where(use[:, None], np.abs(moved), guess)
    image = np.where(use, truth.image[near], image)
    label = np.where(use & (rng.random(found) < 0.8), truth.label[near], label)
  score = np.round(rng.random(found), rng.integers(1, 4))  # ties
  return truth, BoxTable(image, label, guess, score), images.tolist()


def oracle(truth, found, images):
  """pycocotools' 12 metrics and each class's AP, with sparse ids."""
  coco = library("pycocotools.coco")
  from pycocotools.cocoeval import COCOeval

  header = {
    "images": [{"id": i} for i in images],
    "categories": [{"id": 7 * k + 3} for k in range(len(NAMES))],
  }
  gt, dt = coco.COCO(), coco.COCO()
  gt.dataset = header | {"annotations": _annotations(truth)}
  dt.dataset = header | {"annotations": _annotations(found)}
  with contextlib.redirect_stdout(io.StringIO()):
    gt.createIndex()
    dt.createIndex()
    evaluation = COCOeval(gt, dt, "bbox")
    evaluation.params.imgIds = images
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
  precision = evaluation.eval["precision"][:, :, :, 0, -1]
  classes = [precision[:, :, k] for k in range(len(NAMES))]
  per_class = [p[p > -1].mean() if (p > -1).any() else -1 for p in classes]
  return evaluation.stats, per_class


def _annotations(table):
  return [
    {
      "id": i + 1,
      "image_id": int(table.image[i]),
      "category_id": 7 * int(table.label[i]) + 3,
      "bbox": table.boxes[i].tolist(),
      "area": float(
        table.boxes[i, 2:].prod() if table.area is None else table.area[i]
      ),
      "iscrowd": 0 if table.crowd is None else int(table.crowd[i]),
      "score": 0.0 if table.score is None else float(table.score[i]),
    }
    for i in range(len(table))
  ]


@pytest.mark.parametrize("part", range(4))
def test_coco_metrics_equal_pycocotools(part):
  for seed in range(part, CASES, 4):
    truth, found, images = random_case(seed)
    got = coco_ap(truth, found, images, NAMES)
    stats, per_class = oracle(truth, found, images)
    ours = [got[name] for name in METRICS]
    np.testing.assert_allclose(ours, stats, rtol=0, atol=1e-9, err_msg=seed)
    ours = [got[f"ap_class/{name}"] for name in NAMES]
    np.testing.assert_allclose(ours, per_class, rtol=0, atol=1e-9)


def table(rows, score=None, **more):
  rows = np.asarray(rows, float).reshape(-1, 6)
  columns = {k: np.asarray(v) for k, v in more.items()}
  score = None if score is None else np.asarray(score)
  return BoxTable(rows[:, 0], rows[:, 1], rows[:, 2:], score, **columns)


def test_an_image_without_boxes_counts():
  box = [0, 0, 10, 10, 20, 20]
  false = [1, 0, 10, 10, 20, 20]
  truth = table([box])
  right = coco_ap(truth, table([box], [0.5]), [0, 1], ["a"])
  wrong = coco_ap(truth, table([box, false], [0.5, 0.9]), [0, 1], ["a"])
  assert right["ap"] == 1 and wrong["ap"] == 0.5


def test_an_ignored_box_harms_nobody():
  boxes = [[0, 0, 10, 10, 20, 20], [0, 0, 50, 50, 20, 20]]
  truth = table(boxes, ignore=[0, 1])
  for found in (table(boxes, [0.5, 0.9]), table(boxes[:1], [0.5])):
    assert coco_ap(truth, found, [0], ["a"])["ap"] == 1
    assert voc_ap(truth, found, ["a"])["voc_ap"] == 1


def test_without_truth_a_metric_is_minus_one():
  nothing = table([])
  got = coco_ap(nothing, table([], []), [0, 1], ["a"])
  assert set(got.values()) == {-1.0}
  assert voc_ap(nothing, table([], []), ["a"])["voc_ap"] == -1


@pytest.mark.parametrize(
  ("images", "label", "message"),
  [([1], 0, "not among"), ([0, 0], 0, "different"), ([0], 5, "labels 5")],
)
def test_a_table_that_does_not_fit_is_an_error(images, label, message):
  with pytest.raises(ValueError, match=message):
    coco_ap(table([[0, label, 1, 1, 2, 2]]), table([], []), images, ["a"])


def naive_voc(truth, found, k, eleven):
  """The development kit's procedure, detection by detection, in plain loops."""
  objects, used = {}, set()
  for i in range(len(truth)):
    if truth.label[i] == k:
      objects.setdefault(int(truth.image[i]), []).append(i)
  total = sum(not truth.ignore[i] for v in objects.values() for i in v)
  order = sorted(
    (i for i in range(len(found)) if found.label[i] == k),
    key=lambda i: -found.score[i],
  )
  tp, fp, curve = 0, 0, []
  for d in order:
    best, match = -1.0, None
    x, y, w, h = found.boxes[d]
    for i in objects.get(int(found.image[d]), []):
      u, v, s, t = truth.boxes[i]
      iw = min(x + w, u + s) - max(x, u)
      ih = min(y + h, v + t) - max(y, v)
      both = max(iw, 0) * max(ih, 0)
      overlap = both / (w * h + s * t - both)
      if overlap > best:
        best, match = overlap, i
    if match is not None and best >= 0.5:
      if truth.ignore[match]:
        continue
      tp, fp = (tp, fp + 1) if match in used else (tp + 1, fp)
      used.add(match)
    else:
      fp += 1
    curve.append((tp / total if total else 0, tp / (tp + fp)))
  if not total:
    return -1.0
  best_from = lambda r: max((p for q, p in curve if q >= r - 1e-12), default=0)
  if eleven:
    return sum(best_from(i / 10) for i in range(11)) / 11
  area, last = 0.0, 0.0
  for recall, _ in curve:
    area += (recall - last) * best_from(recall)
    last = recall
  return area


@pytest.mark.parametrize("eleven", [False, True])
def test_voc_ap_equals_the_development_kits_procedure(eleven):
  for seed in range(150):
    truth, found, _ = random_case(seed)
    hard = np.random.default_rng(seed).random(len(truth)) < 0.2
    truth = BoxTable(truth.image, truth.label, truth.boxes, ignore=hard)
    got = voc_ap(truth, found, NAMES, eleven_points=eleven)
    for k, name in enumerate(NAMES):
      expected = naive_voc(truth, found, k, eleven)
      assert abs(got[f"voc_ap_class/{name}"] - expected) < 1e-9, seed


def test_many_detections_take_seconds():
  """An eighth of COCO's validation set; the whole is a row of speed."""
  rng = np.random.default_rng(0)
  n, p, k = 625, 100, 80

  def boxes(each, score=None):
    image = np.repeat(np.arange(n), each)
    low = rng.uniform(0, 400, (len(image), 2))
    size = rng.uniform(5, 200, (len(image), 2))
    label = rng.integers(0, k, len(image))
    return BoxTable(image, label, np.concatenate([low, size], 1), score)

  truth, found = boxes(7), boxes(p, rng.random(n * p))
  names = [str(i) for i in range(k)]
  start = time.process_time()
  coco_ap(truth, found, list(range(n)), names)
  assert time.process_time() - start < 5
