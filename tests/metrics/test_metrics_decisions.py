"""Precision, recall, F1, confusion and calibration: exactly the oracles'."""

import jax
import numpy as np
import pytest
from sklearn import metrics as sklearn

from tests.metrics.batches import evaluate
from tests.oracles import library
from vision_jax.metrics.calibration import CalibrationError
from vision_jax.metrics.decisions import (
  AVERAGES,
  ConfusionMatrix,
  PrecisionRecallF1,
)

K = 6
NAMES = tuple("abcdef")


def one_each(seed, classes=K):
  """Logits (40, 6) and labels (40,) of the first of the classes."""
  rng = np.random.default_rng(seed)
  logits = rng.normal(size=(40, K)).astype(np.float32)
  logits[:, classes:] -= 20
  return logits, rng.integers(0, classes, 40).astype(np.int32)


def several(seed, labels=K):
  """Logits and indicators (40, 6); the last labels never occur."""
  rng = np.random.default_rng(seed)
  logits = rng.normal(size=(40, K)).astype(np.float32)
  truth = (rng.random((40, K)) < 0.3).astype(np.float32)
  logits[:, labels:], truth[:, labels:] = -5, 0
  return logits, truth


def want(truth, guess, average, **options):
  return sklearn.precision_recall_fscore_support(
    truth, guess, average=average, zero_division=0, **options
  )[:3]


def got(found, end):
  return [found[f"{score}{end}"] for score in ("precision", "recall", "f1")]


@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("classes", [K, 3, 1])
def test_averages_over_classes_are_sklearns(classes, average):
  logits, label = one_each(0, classes)
  logits[:5, 4] = 30  # predicted, and never the label where classes are few
  found = evaluate(PrecisionRecallF1(averages=(average,)), logits, label)
  wanted = want(label, logits.argmax(1), average)
  assert got(found, f"_{average}") == pytest.approx(wanted, abs=1e-15)
  assert len(found) == 3


def test_each_class_is_sklearns_and_an_absent_one_has_none():
  logits, label = one_each(1, 4)
  found = evaluate(PrecisionRecallF1(NAMES, averages=()), logits, label)
  wanted = want(label, logits.argmax(1), None, labels=range(4))
  for k in range(4):
    values = [score[k] for score in wanted]
    assert got(found, f"/{NAMES[k]}") == pytest.approx(values, abs=1e-15)
  assert "f1/e" not in found and "f1/f" not in found


@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("threshold", [None, 0.3])
def test_several_labels_are_sklearns(threshold, average):
  logits, truth = several(2, 5)
  metric = PrecisionRecallF1(NAMES, (average,), threshold)
  found = evaluate(metric, logits, truth)
  guess = 1 / (1 + np.exp(-logits)) >= (threshold or 0.5)
  # A label that never occurs nor is predicted has no part in the mean.
  wanted = want(truth, guess, average, labels=range(5))
  assert got(found, f"_{average}") == pytest.approx(wanted, abs=1e-15)
  assert "f1/e" in found and "f1/f" not in found and "f1" not in found


@pytest.mark.parametrize("threshold", [None, 0.2, 0.8])
@pytest.mark.parametrize("logit", [1, 2])
def test_two_classes_have_the_positive_ones_metrics(logit, threshold):
  logits, label = one_each(3, 2)
  logits = logits[:, :2]
  p = np.asarray(jax.nn.softmax(logits))[:, 1]
  if logit == 1:
    logits = logits[:, 1:] - logits[:, :1]
  guess = p >= (threshold or 0.5)
  found = evaluate(PrecisionRecallF1(threshold=threshold), logits, label)
  assert got(found, "") == pytest.approx(want(label, guess, "binary"))
  assert got(found, "_macro") == pytest.approx(want(label, guess, "macro"))
  matrix = ConfusionMatrix(("no", "yes"), True, threshold)
  found = evaluate(matrix, logits, label)
  wanted = sklearn.confusion_matrix(label, guess)
  cells = [
    [found[f"confusion/{t}/{g}"] for g in ("no", "yes")] for t in ("no", "yes")
  ]
  np.testing.assert_array_equal(cells, wanted)


def test_micro_averages_of_one_class_each_are_the_accuracy():
  logits, label = one_each(4)
  found = evaluate(PrecisionRecallF1(averages=("micro",)), logits, label)
  assert {*found.values()} == {np.mean(logits.argmax(1) == label)}


def test_a_matrix_for_each_of_several_labels_is_sklearns():
  logits, truth = several(5)
  found = evaluate(ConfusionMatrix(NAMES), logits, truth)
  wanted = sklearn.multilabel_confusion_matrix(truth, logits >= 0)
  for name, ((tn, fp), (fn, tp)) in zip(NAMES, wanted, strict=True):
    cells = {"tn": tn, "fp": fp, "fn": fn, "tp": tp}
    for key, value in cells.items():
      assert found[f"confusion/{name}/{key}"] == value
  assert len(found) == 4 * K


def test_not_a_number_predicts_nothing():
  logits, label = one_each(6)
  logits[:10, 2] = np.nan
  micro = PrecisionRecallF1(averages=("micro",))
  right = np.sum((logits.argmax(1) == label)[10:])
  found = evaluate(micro, logits, label)
  assert found["recall_micro"] == right / 40
  assert found["precision_micro"] == right / 30


@pytest.mark.parametrize("bins", [10, 15])
def test_calibration_of_several_labels_is_torchmetrics(bins):
  torch = library("torch")
  functional = library("torchmetrics.functional.classification")
  logits, truth = several(7)
  wanted = functional.binary_calibration_error(
    torch.sigmoid(torch.tensor(logits)).ravel(),
    torch.tensor(truth).ravel().int(),
    n_bins=bins,
  )
  found = evaluate(CalibrationError(bins), logits, truth)
  assert found == {"ece": pytest.approx(float(wanted), abs=1e-6)}


def test_counts_stay_whole_beyond_what_float32_can_count():
  metric = PrecisionRecallF1(averages=("micro",))
  half = 2**24 + 1
  sums = {
    "guess": np.array([half, half]),
    "truth": np.array([half, half]),
    "both": np.array([half, half - 1]),
    "count": np.int64(2 * half),
  }
  assert metric.result(sums, {})["f1_micro"] == (2 * half - 1) / (2 * half)
  logits, label = one_each(8)
  for key, value in jax.eval_shape(
    metric.measure,
    None,
    {"logits": logits},
    {"label": label, "mask": np.ones(40)},
  )[0].items():
    assert value.dtype == np.int32, key


@pytest.mark.parametrize(
  ("metric", "message"),
  [
    (lambda: PrecisionRecallF1(averages=("mean",)), "averages: got"),
    (lambda: PrecisionRecallF1(("a", "a")), "'a' more than once"),
    (lambda: PrecisionRecallF1(("a", "b")), "class_names: got 2 for 6"),
    (lambda: PrecisionRecallF1(threshold=0.5), "threshold: got 0.5 for 6"),
    (lambda: ConfusionMatrix(threshold=0.5), "threshold: got 0.5 for 6"),
    (lambda: CalibrationError(0), "bins: got 0"),
  ],
)
def test_bad_arguments_are_named(metric, message):
  with pytest.raises(ValueError, match=message):
    evaluate(metric(), *one_each(0))
