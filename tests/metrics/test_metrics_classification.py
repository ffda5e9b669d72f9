"""Metrics against torchmetrics' and scikit-learn's, over ragged batches."""

import jax
import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from tests.metrics import batches
from tests.oracles import library
from vision_jax.metrics import classification as metrics
from vision_jax.metrics.calibration import CalibrationError
from vision_jax.metrics.decisions import ConfusionMatrix

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(50, 8)).astype(np.float32) * 2
LABEL = np.where(
  RNG.random(50) < 0.5, LOGITS.argmax(1), RNG.integers(0, 7, 50)
).astype(np.int32)
NAMES = tuple("abcdefgh")


def evaluate(metric, logits=LOGITS, label=LABEL):
  return batches.evaluate(metric, logits, label)


@pytest.mark.parametrize("top", [(1,), (1, 5), (3,)])
def test_accuracy_is_torchmetrics(top):
  torch = library("torch")
  functional = library("torchmetrics.functional.classification")
  got = evaluate(metrics.Accuracy(top))
  assert len(got) == len(top)
  for n in top:
    want = functional.multiclass_accuracy(
      torch.tensor(LOGITS), torch.tensor(LABEL), 8, average="micro", top_k=n
    )
    key = "accuracy" if n == 1 else f"top{n}_accuracy"
    assert got[key] == pytest.approx(float(want), abs=1e-7)


def test_balanced_and_class_accuracy_are_sklearns():
  guess = LOGITS.argmax(1)
  got = evaluate(ConfusionMatrix(NAMES, matrix=True))
  want = sklearn_metrics.balanced_accuracy_score(LABEL, guess)
  assert got["balanced_accuracy"] == pytest.approx(want, abs=1e-7)
  matrix = sklearn_metrics.confusion_matrix(LABEL, guess, labels=range(8))
  for i, name in enumerate(NAMES):
    for j, other in enumerate(NAMES):
      assert got[f"confusion/{name}/{other}"] == matrix[i, j]
    if matrix[i].sum():
      recall = matrix[i, i] / matrix[i].sum()
      assert got[f"accuracy/{name}"] == pytest.approx(recall)
  assert "accuracy/h" not in got or (LABEL == 7).any()


def test_nll_is_sklearns():
  p = np.asarray(jax.nn.softmax(LOGITS.astype(np.float64)))
  want = sklearn_metrics.log_loss(LABEL, p, labels=range(8))
  got = evaluate(metrics.NegativeLogLikelihood())
  assert got["nll"] == pytest.approx(want, rel=1e-5)


def test_calibration_error_is_torchmetrics():
  torch = library("torch")
  functional = library("torchmetrics.functional.classification")
  want = functional.multiclass_calibration_error(
    torch.tensor(LOGITS).softmax(-1), torch.tensor(LABEL), 8, n_bins=15
  )
  got = evaluate(CalibrationError())
  assert got["ece"] == pytest.approx(float(want), abs=1e-6)


def test_nll_of_several_labels_is_torchs_binary_cross_entropy():
  torch = library("torch")
  several = (LOGITS[::-1] > 0.5).astype(np.float32)
  want = torch.nn.functional.binary_cross_entropy_with_logits(
    torch.tensor(LOGITS), torch.tensor(several), reduction="sum"
  )
  got = evaluate(metrics.NegativeLogLikelihood(), label=several)
  assert got["nll"] == pytest.approx(float(want) / 50, rel=1e-5)


def test_any_of_several_right_labels_is_a_hit():
  several = np.zeros((50, 8), np.float32)
  several[np.arange(50), LABEL] = 1
  one = evaluate(metrics.Accuracy((1, 3)))
  assert evaluate(metrics.Accuracy((1, 3)), label=several) == one
  several[np.arange(50), LOGITS.argmax(1)] = 1
  assert evaluate(metrics.Accuracy(), label=several) == {"accuracy": 1.0}


def test_ties_go_to_the_lower_class_and_nan_is_wrong():
  logits = np.zeros((4, 8), np.float32)
  logits[3, 2] = np.nan
  label = np.asarray([0, 1, 7, 2], np.int32)
  got = evaluate(metrics.Accuracy((1, 2)), logits, label)
  assert got == {"accuracy": 0.25, "top2_accuracy": 0.5}


def test_a_real_label_out_of_range_is_wrong():
  label = np.where(np.arange(50) < 10, 9, LOGITS.argmax(1)).astype(np.int32)
  assert evaluate(metrics.Accuracy((1, 8)), label=label) == {
    "accuracy": 0.8,
    "top8_accuracy": 0.8,
  }


def test_errors_are_named():
  with pytest.raises(ValueError, match="top: got"):
    metrics.Accuracy((0,))
  with pytest.raises(ValueError, match=r"top: got \(9,\) for 8 classes"):
    evaluate(metrics.Accuracy((9,)))
  with pytest.raises(ValueError, match="class_names: got 2 for 8"):
    evaluate(ConfusionMatrix(("a", "b")))
  with pytest.raises(ValueError, match="No example"):
    metrics.Accuracy().result({"top1": 0, "count": np.float64(0)}, {})
