"""CLEAR MOT and IDF1 by hand, and against motmetrics."""

import itertools

import numpy as np
import pytest

from tests.oracles import library
from vision_jax.errors import UserError
from vision_jax.metrics.tracking import TrackTable, tracking_metrics

BOX = np.array([0.0, 0.0, 10.0, 10.0])
SIZE = np.array([20.0, 15.0])


def table(*rows):
  """Rows of (frame, number, shift to the right)."""
  frame, number, shift = np.array(rows, float).reshape(-1, 3).T
  boxes = BOX + shift[:, None] * [1, 0, 1, 0]
  return TrackTable(frame.astype(int), number.astype(int), boxes)


def test_perfect_tracks_under_other_numbers():
  truth = table((1, 1, 0), (1, 2, 50), (2, 1, 1), (2, 2, 51))
  found = table((1, 8, 0), (1, 7, 50), (2, 8, 1), (2, 7, 51))
  metrics = tracking_metrics(truth, found)
  assert metrics["mota"] == metrics["idf1"] == metrics["motp"] == 1
  assert metrics["switches"] == metrics["misses"] == 0


def test_each_error_is_counted():
  truth = table(*[(t, 1, 0) for t in range(6)])
  # 0: right, 1: missed, 2: another track, 3 and 4: it stays, with a false one.
  found = table((0, 5, 0), (2, 6, 0), (3, 6, 0), (4, 6, 0), (4, 9, 80))
  metrics = tracking_metrics(truth, found)
  assert metrics["objects"] == 6
  assert metrics["misses"] == 2  # frames 1 and 5
  assert metrics["false_positives"] == 1
  assert metrics["switches"] == 1  # though a frame lies between
  assert metrics["mota"] == pytest.approx(1 - 4 / 6)
  assert metrics["idp"] == pytest.approx(3 / 5)  # track 6 is the true one
  assert metrics["idr"] == pytest.approx(3 / 6)
  assert metrics["idf1"] == pytest.approx(6 / 11)


def test_a_pair_stays_though_another_is_nearer():
  truth = table((0, 1, 0), (1, 1, 0))
  found = table((0, 5, 0), (1, 5, 3), (1, 6, 0))
  metrics = tracking_metrics(truth, found)
  assert metrics["switches"] == 0 and metrics["false_positives"] == 1
  assert metrics["motp"] == pytest.approx((1 + 7 / 13) / 2)


def test_what_is_empty():
  nothing, truth = table(), table((0, 1, 0))
  missed = tracking_metrics(truth, nothing)
  assert missed["mota"] == 0 == missed["idf1"] and "motp" not in missed
  wrong = tracking_metrics(nothing, truth)
  assert wrong["false_positives"] == 1 and "mota" not in wrong
  assert tracking_metrics(nothing, nothing)["objects"] == 0


def test_tables_that_cannot_be():
  with pytest.raises(UserError, match="frame 3 has track 4 more than once"):
    table((3, 4, 0), (3, 4, 1))
  with pytest.raises(UserError, match=r"got \[1, 1, 2\] frames, numbers and"):
    TrackTable(np.zeros(1), np.zeros(1), np.zeros((2, 4)))


def clip(seed):
  """Walks that cross, and tracks of them with every kind of error."""
  rng = np.random.default_rng(seed)
  frames, walks = 30, int(rng.integers(1, 7))
  at, step = rng.uniform(0, 60, (walks, 2)), rng.uniform(-3, 3, (walks, 2))
  truth, found, names = [], [], [*range(100, 100 + walks)]
  fresh = itertools.count(200)
  for t in range(frames):
    for i in np.flatnonzero(rng.random(walks) < 0.05):
      names[i] = next(fresh)
    if rng.random() < 0.15:
      i, j = rng.integers(walks, size=2)
      names[i], names[j] = names[j], names[i]
    for i, low in enumerate(at + t * step):
      box = np.concatenate([low, low + SIZE])
      if rng.random() < 0.9:
        truth.append((t, i, *box))
      if rng.random() < 0.85:
        found.append((t, names[i], *box + rng.normal(0, 1.5, 4)))
    if rng.random() < 0.5:
      low = rng.uniform(0, 80, 2)
      found.append((t, next(fresh), *low, *low + 18))
  made = lambda x: TrackTable(
    *(np.array([r[k] for r in x], int) for k in (0, 1)),
    np.array([r[2:] for r in x], float).reshape(-1, 4),
  )
  return made(truth), made(found)


@pytest.mark.slow
def test_the_metrics_of_motmetrics():
  motmetrics = library("motmetrics")
  mask = library("pycocotools.mask")
  switches = [compare(motmetrics, mask, *clip(seed)) for seed in range(12)]
  assert sum(switches) > 50


def compare(motmetrics, mask, truth, found):
  """Asserts equal metrics; returns the switches."""
  events = motmetrics.MOTAccumulator(auto_id=True)
  xywh = lambda x: np.concatenate([x[:, :2], x[:, 2:] - x[:, :2]], 1)
  for t in np.union1d(truth.frame, found.frame):
    a, b = (np.flatnonzero(x.frame == t) for x in (truth, found))
    sides = xywh(truth.boxes[a]), xywh(found.boxes[b])
    iou = np.zeros((len(a), len(b)))
    if iou.size:
      iou = mask.iou(*sides, [False] * len(b))
    away = np.where(iou >= 0.5, 1 - iou, np.nan)
    events.update(truth.number[a], found.number[b], away)
  ours = {
    **{"mota": "mota", "idf1": "idf1", "idp": "idp", "idr": "idr"},
    **{"misses": "num_misses", "switches": "num_switches"},
    **{"false_positives": "num_false_positives", "objects": "num_objects"},
  }
  theirs = motmetrics.metrics.create().compute(
    events, metrics=[*ours.values(), "motp"], return_dataframe=False
  )
  metrics = tracking_metrics(truth, found)
  for own, other in ours.items():
    assert metrics[own] == pytest.approx(theirs[other], rel=1e-9), own
  assert metrics["motp"] == pytest.approx(1 - theirs["motp"], rel=1e-6)
  return metrics["switches"]
