"""Segments over time: by hand, and by the definitions, written out again."""

import functools

import numpy as np
import pytest

from vision_jax.errors import UserError
from vision_jax.library import measure
from vision_jax.metrics.temporal import (
  Hits,
  SegmentScores,
  edit_score,
  hits,
  segments,
)

TRUTH = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2]


@pytest.mark.parametrize(
  ("found", "mof", "edit", "right", "wrong", "missed"),
  [
    # 3/4, 4/5 and all of each segment.
    ([0, 0, 0, 1, 1, 1, 1, 1, 2, 2], 0.9, 1, (3,) * 3, (0,) * 3, (0,) * 3),
    # 0 1 0 1 2: the second 0 (1/4) comes second, the first 1 meets no 1.
    ([0, 0, 1, 0, 1, 1, 1, 1, 2, 2], 0.9, 3 / 5, (3,) * 3, (2,) * 3, (0,) * 3),
    # 0 2: 4/7, and all; nothing is 1. (Of five and more the 0 is right.)
    ([0] * 7 + [2] * 3, 0.6, 2 / 3, (2, 2, 2), (0,) * 3, (1,) * 3),
    # 1 2 of 8 and 2 frames: 4/8 is enough at 50.
    ([1] * 8 + [2] * 2, 0.6, 2 / 3, (2, 2, 2), (0,) * 3, (1,) * 3),
    # One long segment of 2: 2/10, enough at 10 alone.
    ([2] * 10, 0.2, 1 / 3, (1, 0, 0), (0, 1, 1), (2, 3, 3)),
    # The order is wrong and nothing overlaps: 1 0 of 0 1 2 takes two edits.
    ([1] * 4 + [0] * 6, 0.0, 1 / 3, (0,) * 3, (2,) * 3, (3,) * 3),
  ],
)
def test_numbers_by_hand(found, mof, edit, right, wrong, missed):
  out = {"target": np.array([found])}
  got = measure(SegmentScores(3), out, {"target": np.array([TRUTH])})
  expected = {"mof": mof, "edit": edit}
  for name, r, w, m in zip((10, 25, 50), right, wrong, missed, strict=True):
    assert hits(segments(found), segments(TRUTH), name / 100) == Hits(r, w, m)
    precision, recall = r / (r + w), r / (r + m)
    both = precision + recall
    expected[f"f1@{name}"] = 2 * precision * recall / both if both else 0
  assert got == pytest.approx(expected)


def test_segments_and_their_background():
  assert segments(TRUTH) == [(0, 0, 4), (1, 4, 8), (2, 8, 10)]
  assert segments(TRUTH, background=(1,)) == [(0, 0, 4), (2, 8, 10)]
  assert segments([]) == [] and segments([3]) == [(3, 0, 1)]
  assert edit_score([], []) == 1
  assert edit_score(segments([1, 1, 2]), []) == 0
  # Frames of the background count, its segments do not.
  found = {"target": np.array([[0, 1, 1, 0]])}
  truth = {"target": np.array([[0, 1, 0, 0]])}
  got = measure(SegmentScores(2, background=(0,)), found, truth)
  assert got == {"mof": 0.75, "edit": 1, "f1@10": 1, "f1@25": 1, "f1@50": 1}


def runs(labels):
  """Labels of segments, each with the set of its frames."""
  found = []
  for t, label in enumerate(labels):
    if found and found[-1][0] == label:
      found[-1][1].add(t)
    else:
      found.append((int(label), {t}))
  return found


@functools.cache
def distance(a, b):
  """Levenshtein's, by its recursion."""
  if not a or not b:
    return len(a) + len(b)
  return min(
    distance(a[1:], b) + 1,
    distance(a, b[1:]) + 1,
    distance(a[1:], b[1:]) + (a[0] != b[0]),
  )


def published(found, truth):
  """The metrics of sequences as they are published, with sets of frames."""
  edits, same = [], []
  counts = {0.1: [0, 0, 0], 0.25: [0, 0, 0], 0.5: [0, 0, 0]}
  for p, y in zip(found, truth, strict=True):
    same += [a == b for a, b in zip(p, y, strict=True)]
    p, y = runs(p), runs(y)
    names = [tuple(label for label, _ in x) for x in (p, y)]
    edits.append(1 - distance(*names) / max(map(len, names)))
    for overlap, count in counts.items():
      hit = [0] * len(y)
      for label, frames in p:
        iou = [
          len(frames & other) / len(frames | other) * (label == k)
          for k, other in y
        ]
        best = iou.index(max(iou))
        fits = iou[best] >= overlap and not hit[best]
        hit[best] |= fits
        count[0 if fits else 1] += 1
      count[2] += len(y) - sum(hit)
  f1 = {}
  for overlap, (tp, fp, fn) in counts.items():
    p, r = tp / (tp + fp), tp / (tp + fn)
    f1[f"f1@{overlap * 100:.0f}"] = 2 * p * r / (p + r) if tp else 0
  return {"mof": np.mean(same), "edit": np.mean(edits)} | f1


def test_several_sequences_equal_the_definitions():
  rng = np.random.default_rng(0)
  for _ in range(20):
    truth = rng.integers(0, 3, (3, 6)).repeat(4, 1)
    other = rng.integers(0, 3, truth.shape)
    found = np.where(rng.random(truth.shape) < 0.12, other, truth)
    padded = np.pad(truth, ((0, 0), (0, 3)), constant_values=255)
    out = {"target": np.pad(found, ((0, 0), (0, 3)), constant_values=1)}
    got = measure(SegmentScores(3), out, {"target": padded})
    assert got == pytest.approx(published(found, truth))
    assert tuple(got) == SegmentScores(3).names


@pytest.mark.parametrize(
  ("truth", "message"),
  [
    ([[0, 3]], "target: got the class 3; expected 0 to 2, or 255 for none"),
    ([[255, 255]], "target: all frames are 255, which does not count"),
  ],
)
def test_a_truth_that_is_none_is_refused(truth, message):
  with pytest.raises(UserError, match=message):
    measure(SegmentScores(3), {"target": [[0, 1]]}, {"target": truth})
