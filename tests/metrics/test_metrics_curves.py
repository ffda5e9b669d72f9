"""ROC-AUC, average precision and thresholds: exactly scikit-learn's."""

import jax
import numpy as np
import pytest
from sklearn import metrics as sklearn

from tests.metrics.batches import evaluate
from vision_jax.metrics.curves import Curves
from vision_jax.metrics.mask_threshold import MaskThreshold

NAMES = tuple("abcd")


def examples(seed, n=60, k=4, ties=False):
  """Logits (n, k), classes (n,) and indicators (n, k)."""
  rng = np.random.default_rng(seed)
  logits = rng.normal(size=(n, k)).astype(np.float32)
  if ties:
    logits = np.round(logits)
  label = np.where(
    rng.random(n) < 0.4, logits.argmax(1), rng.integers(0, k, n)
  ).astype(np.int32)
  truth = rng.random((n, k)) < 0.2 + 0.3 * (logits > 0)
  return logits, label, truth.astype(np.float32)


def sigmoid(x):
  return 1 / (1 + np.exp(-x.astype(np.float64)))


def softmax(x):
  """What is equal but for rounding is equal."""
  p = np.exp(x.astype(np.float64))
  return np.round(p / p.sum(1, keepdims=True), 12)


def best(truth, score):
  """The best F1 over scikit-learn's thresholds."""
  precision, recall, _ = sklearn.precision_recall_curve(truth, score)
  f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
  return f1.max()


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("logit", [1, 2])
def test_two_classes(logit, ties):
  logits, label, _ = examples(0, k=2, ties=ties)
  score = softmax(logits)[:, 1]
  if logit == 1:
    logits = logits[:, 1:] - logits[:, :1]
  found = evaluate(Curves(), logits, label)
  assert found["auc"] == pytest.approx(sklearn.roc_auc_score(label, score))
  assert found["average_precision"] == pytest.approx(
    sklearn.average_precision_score(label, score)
  )
  at = sklearn.f1_score(label, score >= found["threshold"])
  assert found["threshold_f1"] == pytest.approx(at)
  assert found["threshold_f1"] == pytest.approx(best(label, score))
  assert len(found) == 4


@pytest.mark.parametrize("ties", [False, True])
def test_one_of_many_classes(ties):
  logits, label, _ = examples(1, ties=ties)
  score = softmax(logits)
  found = evaluate(Curves(NAMES), logits, label)
  assert found["auc"] == pytest.approx(
    sklearn.roc_auc_score(label, score, multi_class="ovr")
  )
  one_hot = np.eye(4)[label]
  assert found["average_precision"] == pytest.approx(
    sklearn.average_precision_score(one_hot, score)
  )
  for k, name in enumerate(NAMES):
    assert found[f"auc/{name}"] == pytest.approx(
      sklearn.roc_auc_score(one_hot[:, k], score[:, k])
    )
  assert not any(key.startswith("threshold") for key in found)
  assert len(found) == 10


@pytest.mark.parametrize("ties", [False, True])
def test_several_labels(ties):
  logits, _, truth = examples(2, ties=ties)
  score = sigmoid(logits)
  found = evaluate(Curves(NAMES), logits, truth)
  for name, oracle in (
    ("auc", sklearn.roc_auc_score),
    ("average_precision", sklearn.average_precision_score),
  ):
    assert found[name] == pytest.approx(oracle(truth, score))
    each = oracle(truth, score, average=None)
    assert [found[f"{name}/{c}"] for c in NAMES] == pytest.approx(each)
  guess = score >= found["threshold"]
  assert found["threshold_f1"] == pytest.approx(
    sklearn.f1_score(truth, guess, average="micro")
  )
  assert found["threshold_f1"] == pytest.approx(
    best(truth.ravel(), score.ravel())
  )
  for k, name in enumerate(NAMES):
    guess = score[:, k] >= found[f"threshold/{name}"]
    assert sklearn.f1_score(truth[:, k], guess) == pytest.approx(
      best(truth[:, k], score[:, k])
    )


def test_what_has_no_curve_is_left_out():
  logits, label, truth = examples(3)
  label[label == 3] = 2
  truth[:, 1], truth[:, 2] = 0, 1
  found = evaluate(Curves(NAMES), logits, label)
  each = [found[f"auc/{name}"] for name in "abc"]
  assert found["auc"] == pytest.approx(np.mean(each)) and "auc/d" not in found
  found = evaluate(Curves(NAMES), logits, truth)
  each = [found[f"auc/{name}"] for name in "ad"]
  assert found["auc"] == pytest.approx(np.mean(each))
  assert "average_precision/b" not in found and "auc/c" not in found
  assert "threshold/b" not in found  # nothing to find
  for only in (0, 1):
    found = evaluate(Curves(), logits[:, :2], np.full_like(label, only))
    assert "auc" not in found and "average_precision" not in found
    assert ("threshold" in found) == (only == 1)


def test_all_scores_alike_tell_nothing():
  label = np.arange(10, dtype=np.int32) % 2
  found = evaluate(Curves(), np.zeros((10, 2), np.float32), label)
  assert found["auc"] == 0.5 and found["average_precision"] == 0.5
  assert found["threshold"] == 0.25  # below 0.5, the only score


def test_confident_scores_keep_their_order():
  """float32 has no probability between 1 - 6e-8 and 1."""
  logits = np.zeros((4, 2), np.float32)
  logits[:, 1] = [20, 22, 24, 26]
  found = evaluate(Curves(), logits, np.array([0, 0, 1, 1], np.int32))
  assert found["auc"] == 1.0


def test_not_a_number_is_seen():
  logits, label, truth = examples(4)
  logits[7, 1] = np.nan
  assert np.isnan(evaluate(Curves(), logits, truth)["auc"])
  assert np.isnan(evaluate(Curves(), logits, label)["average_precision"])


def test_no_example_is_an_error():
  rows = {"logits": np.zeros((0, 2)), "label": np.zeros(0, int)}
  with pytest.raises(ValueError, match="No example"):
    Curves().result({}, rows)
  with pytest.raises(ValueError, match="class_names: got 3 for 4"):
    evaluate(Curves(tuple("abc")), *examples(0)[:2])


def pixels(seed, b=3, size=(16, 12)):
  rng = np.random.default_rng(seed)
  truth = rng.integers(0, 2, (b, *size)).astype(np.uint8)
  score = np.clip(rng.normal(0.35 + 0.2 * truth, 0.2), 0, 1).astype(np.float32)
  return truth, score


def threshold_of(metric, truth, score, mask):
  batch = {"target": truth, "mask": mask}
  out = {"probs": np.stack([1 - score, score], -1)}
  sums, rows = jax.jit(metric.measure)(None, out, batch)
  assert rows == {} and sums["counts"].dtype == np.int32
  return metric.result(sums, rows)


@pytest.mark.parametrize("seed", range(3))
def test_a_masks_threshold_has_the_best_dice(seed):
  truth, score = pixels(seed)
  mask = np.array([1, 1, 0])
  truth[0, :4] = 255
  real = (truth != 255) & (mask[:, None, None] > 0)
  found = threshold_of(MaskThreshold(), truth, score, mask)
  y, p = truth[real], score[real]
  at = sklearn.f1_score(y, p >= found["threshold"])
  assert found["threshold_dice"] == pytest.approx(at, abs=1e-12)
  assert found["threshold_dice"] == pytest.approx(best(y, p), abs=2e-3)
  assert found["threshold"] not in (0.0, 0.5)


def test_masks_without_anything_have_no_threshold():
  truth, score = pixels(0)
  metric, mask = MaskThreshold(), np.ones(3)
  assert threshold_of(metric, np.zeros_like(truth), score, mask) == {}
  perfect = threshold_of(metric, truth, truth.astype(np.float32), mask)
  assert perfect["threshold_dice"] == 1.0
  assert perfect["threshold"] == pytest.approx(0.5, abs=2e-3)
  with pytest.raises(ValueError, match="expected two"):
    metric.measure(
      None, {"probs": np.zeros((3, 16, 12, 3))}, {"target": truth, "mask": mask}
    )
  with pytest.raises(ValueError, match="bins: got 1"):
    MaskThreshold(bins=1)
