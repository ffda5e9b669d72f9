"""Metrics of segmentation: exactly the oracles', whatever is absent."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.oracles import library
from vision_jax.metrics.confusion import host_confusion
from vision_jax.metrics.segmentation import (
  Segmentation,
  class_iou,
  segmentation_metrics,
)
from vision_jax.metrics.void import WithVoid

K = 5


def masks(seed, classes=K, b=6, size=(9, 7), ignore=True):
  """Truth and prediction that agree on about half of the pixels."""
  rng = np.random.default_rng(seed)
  truth = rng.integers(0, classes, (b, *size)).astype(np.uint8)
  guess = rng.integers(0, classes, (b, *size)).astype(np.uint8)
  guess = np.where(rng.random(truth.shape) < 0.5, truth, guess)
  if ignore:
    truth[rng.random(truth.shape) < 0.1] = 255
  return truth, guess


def measure(metric, truth, guess, mask=None):
  batch = {
    "target": jnp.asarray(truth),
    "mask": jnp.ones(len(truth)) if mask is None else jnp.asarray(mask),
  }
  out = {"target": jnp.asarray(guess)}
  sums, rows = jax.jit(lambda o, b: metric.measure((), o, b))(out, batch)
  assert rows == {}
  return jax.device_get(sums)


def measured(metric, truth, guess, mask=None):
  return metric.result(measure(metric, truth, guess, mask), {})


@pytest.mark.parametrize("classes", [K, 3])  # 3: two of five are absent
@pytest.mark.parametrize("seed", range(4))
def test_metrics_equal_scikit_learn_exactly(seed, classes):
  sklearn = library("sklearn.metrics")
  truth, guess = masks(seed, classes)
  known = truth != 255
  pair, labels = (truth[known], guess[known]), range(K)
  matrix = sklearn.confusion_matrix(*pair, labels=labels)
  sums = measure(Segmentation(K), truth, guess)
  assert sums["confusion"].dtype == np.int32
  np.testing.assert_array_equal(sums["confusion"], matrix)
  np.testing.assert_array_equal(host_confusion(truth, guess, K), matrix)
  for absent, value in (("zero", 0), ("one", 1)):
    expected = sklearn.jaccard_score(
      *pair, labels=labels, average="macro", zero_division=value
    )
    got = measured(Segmentation(K, absent=absent), truth, guess)
    assert got["miou"] == expected
    expected = sklearn.f1_score(
      *pair, labels=labels, average="macro", zero_division=value
    )
    assert got["dice"] == pytest.approx(expected, abs=1e-15)
  present = np.unique(pair)
  got = measured(Segmentation(K), truth, guess)
  assert got["miou"] == sklearn.jaccard_score(
    *pair, labels=present, average="macro"
  )
  assert got["dice"] == pytest.approx(
    sklearn.f1_score(*pair, labels=present, average="macro"), abs=1e-15
  )
  assert got["global_accuracy"] == sklearn.accuracy_score(*pair)
  assert got["class_accuracy"] == pytest.approx(
    sklearn.balanced_accuracy_score(*pair), abs=1e-15
  )


@pytest.mark.parametrize("classes", [K, 3])
def test_miou_equals_torchmetrics(classes):
  torch = library("torch")
  library("torchmetrics")
  from torchmetrics.classification import MulticlassJaccardIndex

  truth, guess = masks(7, classes)
  oracle = MulticlassJaccardIndex(num_classes=K, ignore_index=255)
  expected = oracle(torch.tensor(guess), torch.tensor(truth.astype(np.int64)))
  got = measured(Segmentation(K), truth, guess)
  assert got["miou"] == pytest.approx(float(expected), rel=1e-6)


def test_padding_does_not_count_whatever_is_in_it():
  truth, guess = masks(1)
  padded = np.concatenate([truth, np.full_like(truth, 77)])
  guesses = np.concatenate([guess, guess])
  mask = np.r_[np.ones(6), np.zeros(6)].astype(np.float32)
  metric = Segmentation(K, class_names=tuple("abcde"))
  got = measured(metric, padded, guesses, mask)
  assert got == measured(metric, truth, guess)
  assert {f"iou/{name}" for name in "abcde"} < set(got)
  assert {f"dice/{name}" for name in "abcde"} < set(got)


def test_ignore_is_an_argument():
  truth, guess = masks(2, ignore=False)
  known = truth != 0
  expected = host_confusion(truth[known], guess[known], K)
  sums = measure(Segmentation(K, ignore=0), truth, guess)
  np.testing.assert_array_equal(sums["confusion"], expected)
  whole = measure(Segmentation(K, ignore=None), truth, guess)["confusion"]
  assert whole.sum() == truth.size


def test_a_skipped_class_has_no_metric():
  truth, guess = masks(3, 3)
  got = measured(Segmentation(K, class_names=tuple("abcde")), truth, guess)
  assert "iou/c" in got and "iou/d" not in got
  assert "dice/c" in got and "dice/d" not in got
  matrix = host_confusion(truth, guess, K)
  assert np.isnan(class_iou(matrix)[3:]).all()
  assert (class_iou(matrix, absent="one")[3:] == 1).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.int32])
@pytest.mark.parametrize("classes", [2, 11, 15, 16, 200])
@pytest.mark.parametrize("size", [(4, 4), (5, 3), (700, 401)])
def test_host_counts_equal_plain_ones(size, classes, dtype):
  truth, guess = masks(0, classes, b=1, size=size)
  known = truth != 255
  code = truth[known].astype(np.int64) * classes + guess[known]
  expected = np.bincount(code, minlength=classes**2).reshape(classes, classes)
  guess[~known] = 255  # may be anything there
  got = host_confusion(truth.astype(dtype), guess.astype(dtype), classes)
  np.testing.assert_array_equal(got, expected)
  assert got.dtype == np.int64


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
@pytest.mark.parametrize("which", [0, 1])
def test_a_label_that_is_no_class_is_an_error(which, dtype):
  pair = [x.astype(dtype) for x in masks(4)]
  pair[which][0, 0, 0], pair[1 - which][0, 0, 0] = 17, 1
  what = ("label", "prediction")[which]
  with pytest.raises(ValueError, match=rf"got {what}s \[17\].*0 to 4"):
    host_confusion(*pair, K)
  with pytest.raises(ValueError, match="1 pixels are neither one of 5"):
    measured(Segmentation(K), *pair)


@pytest.mark.parametrize(
  ("call", "message"),
  [
    (lambda: Segmentation(3, absent="nan"), "absent: got 'nan'"),
    (lambda: Segmentation(3, class_names=("a",)), "got 1 for 3"),
    (
      lambda: Segmentation(3, class_names=("a", "b", "a")),
      "'a' more than once",
    ),
    (lambda: segmentation_metrics(np.zeros((3, 3))), "No pixel counts"),
    (
      lambda: (
        measure(Segmentation(K), *masks(0), mask=None)
        and measure(Segmentation(K), masks(0)[0], masks(0)[1][:, 1:])
      ),
      "Predictions have to cover",
    ),
    (
      lambda: host_confusion(masks(0)[0], masks(0)[1][1:], K),
      "expected one shape",
    ),
  ],
)
def test_bad_arguments_are_named(call, message):
  with pytest.raises(ValueError, match=message):
    call()


def test_void_is_left_out_or_counts_against_what_is_predicted_there():
  truth, guess = masks(3, K, ignore=False)
  truth[0, :2] = K - 1  # void, the last
  found = measured(WithVoid(tuple("abcd")), truth, guess)
  for name, kept in (("miou", truth != K - 1), ("miou_void", truth < K)):
    each = []
    for k in range(K - 1):
      a, b = truth[kept] == k, guess[kept] == k
      each.append((a & b).sum() / (a | b).sum())
    np.testing.assert_allclose(found[name], np.mean(each), rtol=1e-12)
    if name == "miou":
      by_class = [found[f"iou/{x}"] for x in "abcd"]
      np.testing.assert_allclose(by_class, each, rtol=1e-12)
  assert found["miou_void"] < found["miou"]
  classes = [guess[truth == k] == k for k in range(K - 1)]
  recall = np.mean([right.mean() for right in classes])
  np.testing.assert_allclose(found["class_accuracy"], recall, rtol=1e-12)
  right = np.concatenate(classes).mean()
  np.testing.assert_allclose(found["global_accuracy"], right, rtol=1e-12)
