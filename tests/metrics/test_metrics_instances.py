"""Precision of objects against a plain statement of it, and torchmetrics."""

import fractions

import jax
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from vision_jax.core.execution import Jit, Pmap
from vision_jax.data.loader import Loader
from vision_jax.data.sources.arrays import ArraySource
from vision_jax.errors import UserError
from vision_jax.experiment import Eval
from vision_jax.metrics.instances import InstancePrecision, matches
from vision_jax.train.evaluate import Evaluator

METRIC, MATCHES = InstancePrecision(), jax.jit(matches)


def blobs(rng, shape=(24, 32), number=9, most=2**16 - 1):
  """A map of rectangles, later ones over others, of numbers with gaps."""
  found = np.zeros(shape, np.int32)
  for name in rng.choice(most, number, replace=False) + 1:
    y, x = (int(rng.integers(n - 2)) for n in shape)
    h, w = rng.integers(2, 11, 2)
    found[y : y + h, x : x + w] = name
  return found


def moved(rng, truth):
  """The map a little elsewhere, with other numbers and some objects gone."""
  found = np.roll(truth, rng.integers(-1, 2, 2), (0, 1))
  names = np.unique(found)[1:]
  new = rng.permutation(len(names)) * 7 + 1
  table = dict(zip(names.tolist(), new.tolist(), strict=True))
  gone = set(names[rng.random(len(names)) < 0.2].tolist())
  change = lambda x: 0 if x in gone else table.get(int(x), 0)
  return np.vectorize(change, otypes=[np.int32])(found)


def plain(truth, found, threshold):
  """TP, FP, FN and the matches' IoU by an assignment, of masks one by one."""
  sides = [[x == i for i in np.unique(x) if i] for x in (truth, found)]
  iou = [
    [
      fractions.Fraction(int((a & b).sum()), int((a | b).sum()))
      for b in sides[1]
    ]
    for a in sides[0]
  ]
  table = np.array(
    [[float(x) if x > threshold else 0.0 for x in row] for row in iou]
  ).reshape(len(sides[0]), len(sides[1]))
  rows, columns = linear_sum_assignment(-table)
  pairs = [(i, j) for i, j in zip(rows, columns, strict=True) if table[i, j]]
  tp = len(pairs)
  total = sum(iou[i][j] for i, j in pairs)
  return tp, len(sides[1]) - tp, len(sides[0]) - tp, total


def measure(pairs):
  rows = [MATCHES(*pair) for pair in pairs]
  stacked = {k: np.stack([np.asarray(r[k]) for r in rows]) for k in rows[0]}
  return METRIC.result({}, stacked)


def test_it_is_the_plain_statement():
  rng = np.random.default_rng(0)
  truths = [blobs(rng) for _ in range(6)]
  pairs = [(x, moved(rng, x)) for x in truths]
  pairs += [(blobs(rng), np.zeros((24, 32), np.int32))]
  pairs += [(np.zeros((24, 32), np.int32),) * 2]
  found = measure(pairs)
  pooled, each = [], []
  for i in range(10, 20):
    counts = [plain(*pair, fractions.Fraction(i, 20))[:3] for pair in pairs]
    tp, fp, fn = np.sum(counts, 0)
    pooled.append(tp / (tp + fp + fn))
    each.append(np.mean([t / (t + p + n) for t, p, n in counts[:-1]]))
  assert 0.1 < pooled[0] < 1
  assert (found["ap50"], found["ap75"]) == (pooled[0], pooled[5])
  assert found["ap"] == pytest.approx(np.mean(pooled), abs=1e-15)
  assert found["image_ap50"] == pytest.approx(each[0], abs=1e-15)
  assert found["image_ap"] == pytest.approx(np.mean(each), abs=1e-15)
  half = [plain(*pair, fractions.Fraction(1, 2)) for pair in pairs]
  tp, fp, fn, iou = (sum(column) for column in zip(*half, strict=True))
  assert found["sq"] == pytest.approx(float(iou / tp), abs=1e-6)
  assert found["pq"] == pytest.approx(float(iou / (tp + (fp + fn) / 2)), 1e-6)
  assert found["recall50"] == tp / (tp + fn)


def test_above_means_above():
  truth, found = np.zeros((2, 24, 32), np.int32)
  truth[0, :2], found[0, :1] = 65535, 3  # IoU is 1/2
  truth[2, :5], found[2, :3] = 7, 65535  # and 3/5
  right = np.asarray(MATCHES(truth, found)["right"])
  assert right.tolist() == [1, 1, 0, 0, 0, 0, 0, 0, 0, 0]


@pytest.mark.slow
def test_many_objects_and_none():
  truth = np.arange(1, 2501, dtype=np.int32).reshape(50, 50).repeat(2, 1)
  assert measure([(truth, truth)])["ap"] == 1
  found = measure([(truth, np.zeros_like(truth))])
  assert found["ap50"] == found["pq"] == 0
  assert found["objects"] == 2500
  with pytest.raises(UserError, match="none of 1 images has an object"):
    measure([(np.zeros((50, 100), np.int32),) * 2])


def test_it_is_in_its_names():
  rng = np.random.default_rng(1)
  assert {*measure([(blobs(rng), blobs(rng))])} == {*METRIC.names}


class Outputs:
  """A task that predicts what the batch says."""

  objectives = ()

  @staticmethod
  def predict(params, stats, batch, key):
    return {"instances": batch["guess"]}


@pytest.mark.slow
def test_it_is_one_under_every_execution():
  rng = np.random.default_rng(2)
  truth = np.stack([blobs(rng) for _ in range(11)])
  guess = np.stack([moved(rng, x) for x in truth])
  source = ArraySource({"instances": truth, "guess": guess})
  loader = Loader(source, (), batch_size=8, shuffle=False)
  data = Eval(loader, {"instances": METRIC})
  experiment = type("Experiment", (), {"task": Outputs, "evals": {"val": data}})
  experiment.inputs = staticmethod(lambda batch: batch)
  expected = measure(zip(truth, guess, strict=True))
  for execution in (Jit(devices=jax.devices()[:1]), Jit(), Pmap()):
    weights = execution.place(({"unused": np.zeros(3)}, {}))
    found = Evaluator(experiment, execution)(lambda _, w=weights: w)
    found = {name.removeprefix("val/"): x for name, x in found.items()}
    assert found == pytest.approx(expected, abs=1e-7)
  loader.close()


@pytest.mark.slow
def test_panoptic_quality_is_torchmetrics():
  torch = pytest.importorskip("torch")
  detection = pytest.importorskip("torchmetrics.detection")
  rng = np.random.default_rng(3)
  truth = np.stack([blobs(rng) for _ in range(5)])
  guess = np.stack([moved(rng, x) for x in truth])
  metric = detection.PanopticQuality(
    things={1}, stuffs={0}, return_sq_and_rq=True, return_per_class=True
  )
  both = lambda x: torch.from_numpy(np.stack([x > 0, x], -1).astype(np.int64))
  metric.update(both(guess), both(truth))
  expected = np.asarray(metric.compute())[0]  # things first
  found = measure(zip(truth, guess, strict=True))
  assert [found[k] for k in ("pq", "sq", "rq")] == pytest.approx(expected, 1e-5)
