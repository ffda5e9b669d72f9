"""The threshold of a detector's scores, against pycocotools' matches."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.oracles import library
from vision_jax.core.execution import Jit, Pmap
from vision_jax.data.loader import Loader
from vision_jax.data.sources.arrays import ArraySource
from vision_jax.experiment import Eval
from vision_jax.metrics.box_threshold import LEFT_OUT, RIGHT, BoxThreshold
from vision_jax.ops.boxes import cxcywh_to_xyxy, xyxy_to_xywh
from vision_jax.train.evaluate import Evaluator

B, P, N, K, SIDE = 24, 30, 6, 3, 100.0


def scenes(seed=0):
  """Returns a batch and what a middling detector would find in it."""
  rng = np.random.default_rng(seed)
  low = rng.uniform(0.05, 0.6, (B, N, 2))
  size = rng.uniform(0.2, 0.35, (B, N, 2))
  label = rng.integers(0, K, (B, N))
  batch = {
    "image": np.zeros((B, 4, 4, 3), np.float32),
    "size": np.full((B, 2), SIDE),
    "boxes": np.concatenate([low + size / 2, size], -1).astype(np.float32),
    "label": label,
    "box_mask": (rng.random((B, N)) < 0.7).astype(np.float32),
    "crowd": (rng.random((B, N)) < 0.15).astype(np.float32),
    "mask": np.ones(B, np.float32),
  }
  of = rng.integers(0, N, (B, P))
  pick = lambda x: np.take_along_axis(x, of, 1)
  corners = np.concatenate([low, low + size], -1) * SIDE
  boxes = np.take_along_axis(corners, of[..., None], 1)
  boxes = boxes + rng.normal(0, 3, boxes.shape)
  found = np.where(rng.random((B, P)) < 0.8, pick(label), 0)
  score = np.sort(rng.random((B, P)), 1)[:, ::-1]
  out = {"boxes": boxes, "score": score, "label": found}
  return batch, {k: np.ascontiguousarray(v) for k, v in out.items()}


def measured(batch, out):
  metric = BoxThreshold()
  arrays = jax.tree.map(jnp.asarray, (out, batch))
  sums, rows = jax.device_get(jax.jit(metric.measure)(None, *arrays))
  return sums, rows, metric.result(sums, rows)


def theirs(batch, out):
  """Returns pycocotools' verdict of each box, and the number of objects."""
  coco = library("pycocotools.coco")
  evaluation = library("pycocotools.cocoeval")
  boxes = np.asarray(xyxy_to_xywh(cxcywh_to_xyxy(batch["boxes"]) * SIDE))
  rows = [
    {"image_id": i, "category_id": int(batch["label"][i, n]),
     "bbox": boxes[i, n].tolist(), "iscrowd": int(batch["crowd"][i, n]),
     "area": float(boxes[i, n, 2] * boxes[i, n, 3])}
    for i, n in zip(*np.nonzero(batch["box_mask"]), strict=True)
  ]  # fmt: skip
  truth = coco.COCO()
  truth.dataset = {
    "images": [{"id": i} for i in range(B)],
    "categories": [{"id": k, "name": str(k)} for k in range(K)],
    "annotations": [row | {"id": i} for i, row in enumerate(rows, 1)],
  }
  truth.createIndex()
  found = np.asarray(xyxy_to_xywh(out["boxes"]))
  results = [
    {"image_id": i, "category_id": int(out["label"][i, p]),
     "bbox": found[i, p].tolist(), "score": float(out["score"][i, p])}
    for i in range(B) for p in range(P)
  ]  # fmt: skip
  scored = evaluation.COCOeval(truth, truth.loadRes(results), "bbox")
  scored.params.iouThrs = np.array([0.5])
  scored.params.areaRng = [[0, 1e10]]
  scored.params.areaRngLbl = ["all"]
  scored.evaluate()
  verdict = np.zeros(B * P, int)
  for image in filter(None, scored.evalImgs):
    ids = np.array(image["dtIds"], int) - 1
    hit = image["dtMatches"][0] > 0
    verdict[ids] = np.where(image["dtIgnore"][0], LEFT_OUT, RIGHT * hit)
  return verdict.reshape(B, P), sum(1 - row["iscrowd"] for row in rows)


def best(verdict, score, objects):
  """Returns the best F1 over all thresholds, and the scores that it parts."""
  kept = verdict.ravel() != LEFT_OUT
  score, right = score.ravel()[kept], verdict.ravel()[kept] == RIGHT
  f1 = lambda t: 2 * right[score >= t].sum() / ((score >= t).sum() + objects)
  cuts = np.sort(score)[::-1]
  values = [f1(t) for t in cuts]
  i = int(np.argmax(values))
  return values[i], (cuts[i] + np.append(cuts, 0)[i + 1]) / 2


@pytest.mark.parametrize("seed", [0, 1])
def test_matches_and_f1_are_cocos(seed):
  batch, out = scenes(seed)
  sums, rows, found = measured(batch, out)
  verdict, objects = theirs(batch, out)
  np.testing.assert_array_equal(rows["right"], verdict)
  assert {*verdict.ravel()} == {0, RIGHT, LEFT_OUT}
  assert sums["objects"] == objects
  f1, threshold = best(verdict, out["score"], objects)
  assert 0.3 < f1 < 0.95
  assert found["threshold_f1"] == pytest.approx(f1, abs=1e-12)
  assert found["threshold"] == pytest.approx(threshold, abs=1e-6)


class Outputs:
  """A task that finds what the batch says."""

  objectives = ()

  @staticmethod
  def predict(params, stats, batch, key):
    names = ("boxes", "score", "label")
    return {name: batch[f"found_{name}"] for name in names}


def test_it_is_one_on_several_devices():
  """Of 21 images, so that the last batch is padded."""
  batch, out = scenes()
  arrays = batch | {f"found_{name}": value for name, value in out.items()}
  arrays = {k: v[:21] for k, v in arrays.items() if k != "mask"}
  arrays["found_label"] = arrays["found_label"].astype(np.int32)
  loader = Loader(ArraySource(arrays), (), batch_size=16, shuffle=False)
  evals = {"val": Eval(loader, {"threshold": BoxThreshold()})}
  experiment = types.SimpleNamespace(task=Outputs, evals=evals, inputs=dict)
  found = []
  for execution in (Jit(devices=jax.devices()[:1]), Jit(), Pmap()):
    weights = execution.place(({"unused": np.zeros(3)}, {}))
    found.append(Evaluator(experiment, execution)(lambda _, w=weights: w))
  assert found[0].keys() == {"val/threshold", "val/threshold_f1"}
  assert found[0] == found[1] == found[2]
  *_, alone = measured(*jax.tree.map(lambda x: x[:21], (batch, out)))
  assert found[0]["val/threshold_f1"] == pytest.approx(alone["threshold_f1"])
  loader.close()


def test_a_threshold_by_hand():
  """Two objects, found with 0.9 and 0.6; 0.8 and 0.5 are nothing."""
  here, there = [10, 10, 30, 30], [50, 50, 90, 90]
  away = [0, 80, 9, 99]
  out = {
    "boxes": np.array([[here, away, there, here]], np.float32),
    "score": np.array([[0.9, 0.8, 0.6, 0.5]], np.float32),
    "label": np.zeros((1, 4), int),
  }
  batch = {
    "image": np.zeros((1, 100, 100, 3), np.float32),
    "boxes": np.array([[[0.2, 0.2, 0.2, 0.2], [0.7, 0.7, 0.4, 0.4]]]),
    "label": np.zeros((1, 2), int),
    "box_mask": np.ones((1, 2)),
    "mask": np.ones(1),
  }
  _, rows, found = measured(batch, out)
  # A second box on an object is wrong.
  np.testing.assert_array_equal(rows["right"], [[1, 0, 1, 0]])
  assert found["threshold_f1"] == pytest.approx(0.8)
  assert found["threshold"] == pytest.approx(0.55)
  # An object that is no matter is not asked for, nor its box wrong.
  ignoring = batch | {"ignore": np.array([[0, 1]])}
  sums, rows, found = measured(ignoring, out)
  np.testing.assert_array_equal(rows["right"], [[1, 0, LEFT_OUT, 0]])
  assert sums["objects"] == 1
  assert found == {
    "threshold": pytest.approx(0.85), "threshold_f1": pytest.approx(1.0)
  }  # fmt: skip
  # What fills a batch has no objects; without any there is no threshold.
  assert measured(batch | {"mask": np.zeros(1)}, out)[2] == {}


def test_scores_that_are_no_number_are_told():
  metric = BoxThreshold()
  rows = {"score": np.array([[np.nan, 0.5]]), "right": np.array([[1, 0]])}
  found = metric.result({"objects": 1}, rows)
  assert all(np.isnan(found[name]) for name in metric.names)
  with pytest.raises(ValueError, match=r"overlap: got 0; expected above 0"):
    BoxThreshold(0)
