"""Retrieval, verification and episodes, against loops and scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from vision_jax.errors import UserError
from vision_jax.metrics import episodes, retrieval
from vision_jax.metrics.episodes import FewShot
from vision_jax.metrics.retrieval import Retrieval, average_precision
from vision_jax.metrics.verification import Verification

RNG = np.random.default_rng(0)
LABEL = np.r_[RNG.integers(0, 4, 69), 9]  # 9 is alone
FEATURES = (RNG.normal(size=(70, 5)) + 0.8 * np.eye(10)[LABEL][:, :5]).astype(
  np.float32
)
ROWS = {"features": FEATURES, "label": LABEL}


@pytest.fixture(params=[16, 1024])
def block(request, monkeypatch):
  """Blocks that the examples do not fill, and one of all."""
  monkeypatch.setattr(retrieval, "BLOCK", request.param)


def nearest_labels(i):
  """The labels of all other examples, those of the nearest first."""
  x = FEATURES / np.linalg.norm(FEATURES, axis=1, keepdims=True)
  others = np.delete(np.arange(70), i)
  return LABEL[others[np.argsort(-(x[others] @ x[i]), kind="stable")]]


def test_retrieval_is_that_of_a_loop(block):
  recalls, precisions = {1: [], 4: []}, []
  for i in range(69):
    right = nearest_labels(i) == LABEL[i]
    for k in recalls:
      recalls[k].append(right[:k].any())
    r = right.sum()
    shares = [right[:p].mean() for p in range(1, r + 1) if right[p - 1]]
    precisions.append(sum(shares) / r)
  found = Retrieval((1, 4)).result({}, ROWS)
  assert found == pytest.approx(
    {
      **{f"recall_at_{k}": np.mean(x) for k, x in recalls.items()},
      "map_at_r": np.mean(precisions),
      "lone": 1,
    }
  )
  assert 0.3 < found["recall_at_1"] < found["recall_at_4"] < 1


def test_average_precision_by_hand():
  """R is 3, of which places 1 and 3 are right: (1 + 2/3) / 3."""
  right = np.array([[True, False, True, True], [False] * 4])
  found = average_precision(right, np.array([3, 2]))
  np.testing.assert_allclose(found, [(1 + 2 / 3) / 3, 0])


def test_verification_is_a_point_of_the_curve(block):
  fars = (0.3, 0.02, 1e-4)
  x = FEATURES / np.linalg.norm(FEATURES, axis=1, keepdims=True)
  i, j = np.triu_indices(70, 1)
  rates, found, _ = roc_curve(
    LABEL[i] == LABEL[j], (x @ x.T)[i, j], drop_intermediate=False
  )
  expected = {f"tar_at_far_{f:g}": found[rates <= f].max() for f in fars}
  assert Verification(fars).result({}, ROWS) == pytest.approx(expected)
  assert expected["tar_at_far_0.3"] > 0.3


def test_ties_are_never_accepted_in_part(block):
  """Of four pairs of two classes all are equally near, as are the others."""
  rows = {"features": np.ones((4, 2)), "label": np.array([0, 0, 1, 1])}
  assert Verification((0.5,)).result({}, rows) == {"tar_at_far_0.5": 0.0}


def test_episodes_of_classes_apart_and_of_noise():
  label = np.arange(200) % 8
  apart = {"features": np.eye(8)[label], "label": label}
  metric = FewShot((1, 5), queries=10, episodes=50)
  found = metric.result({}, apart)
  expected = {"fewshot_1": 1.0, "fewshot_5": 1.0}
  expected |= {f"{name}_interval": 0.0 for name in expected}
  assert found == expected
  noise = {"features": RNG.normal(size=(200, 4)), "label": label}
  found = metric.result({}, noise)
  assert found == metric.result({}, noise)
  for n in (1, 5):
    assert abs(found[f"fewshot_{n}"] - 0.2) < 0.03
    assert 0 < found[f"fewshot_{n}_interval"] < 0.03


def test_a_query_is_of_the_nearest_prototype():
  support = np.array([[[0.0], [2.0]], [[4.0], [6.0]]])  # means 1 and 5
  queries = np.array([[[0.5], [3.5]], [[2.0], [9.0]]])
  assert episodes.accuracy(support, queries) == 0.5


def rows(*label):
  features = np.arange(2.0 * len(label)).reshape(-1, 2)
  return {"features": features, "label": np.array(label)}


@pytest.mark.parametrize(
  ("make", "given", "message"),
  [
    (lambda: Retrieval((0,)), None, r"ks: got \(0,\); expected numbers from 1"),
    (Retrieval, rows(0, 1, 2), "got 3 images, no two of one class; expected"),
    (lambda: Retrieval((3,)), rows(0, 0, 1), "ks: got 3, and 3 images; expe"),
    (lambda: Verification((1.0,)), None, r"fars: got \(1.0,\); expected rates"),
    (Verification, rows(0, 0), "1 pairs of one class and 0 of two; expected"),
    (lambda: FewShot(ways=1), None, "ways: got 1; expected 2 or more"),
    (lambda: FewShot(()), None, r"shots: got \(\); expected 1 or more"),
    (
      lambda: FewShot((1,), ways=2, queries=2),
      rows(0, 0, 0, 1, 1),
      "got 2 classes, 1 of them with 3 images; expected 2 such, of 1 shots",
    ),
  ],
)
def test_bad_input(make, given, message):
  with pytest.raises(UserError, match=message):
    make().result({}, given)
