"""Losses that rank pixels: OHEM and Lovász-Softmax, against plain loops."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.oracles import library
from vision_jax.losses.segmentation_ranked import (
  hardest_cross_entropy,
  lovasz_softmax,
)

B, H, W, K = 3, 5, 6, 4
RNG = np.random.default_rng(0)
LOGITS = jnp.asarray(2 * RNG.normal(size=(B, H, W, K)), jnp.float32)
TARGET = RNG.integers(0, K - 1, (B, H, W)).astype(np.uint8)
TARGET[0, 0, :3] = TARGET[1, 2] = 255
TARGET[2] = 255
WEIGHTS = (0.5, 2.0, 1.5, 3.0)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize(
  ("threshold", "share"),
  [(0.7, 1 / 16), (0.0, 0.25), (0.05, 0.5), (1.0, 0.0), (0.0, 1.0)],
)
def test_ohem_is_the_mean_over_the_hardest_of_torch(threshold, share, weights):
  torch = library("torch")
  for b in range(2):
    logits = torch.tensor(np.asarray(LOGITS)[b].reshape(-1, K))
    target = torch.tensor(TARGET[b].reshape(-1).astype(np.int64))
    values = torch.nn.functional.cross_entropy(
      logits, target, reduction="none", ignore_index=255
    )
    known = target != 255
    values, target = values[known], target[known]
    values, order = torch.sort(values, descending=True)
    sure = values > -np.log(max(threshold, 1e-30))
    least = int(np.ceil(share * len(values)))
    hard = max(int(sure.sum()), least)
    each = torch.tensor(weights or (1.0,) * K)[target[order]][:hard]
    expected = float((values[:hard] * each).sum() / each.sum())
    got = hardest_cross_entropy(
      LOGITS, TARGET, class_weights=weights, threshold=threshold, share=share
    )
    assert got[b] == pytest.approx(expected, rel=1e-5)
    assert got[2] == 0


def extension(errors, truth):
  """Lovász's extension of 1 - IoU at errors of pixels, by its definition."""
  loss = lambda wrong: len(wrong) / max(len(wrong | truth), 1)
  wrong, total = set(), 0.0
  for i in sorted(range(len(errors)), key=lambda i: -errors[i]):
    total += errors[i] * (loss(wrong | {i}) - loss(wrong))
    wrong |= {i}
  return total


@pytest.mark.parametrize("absent", ["skip", "count"])
def test_lovasz_is_the_extension_of_one_minus_iou(absent):
  probs = np.asarray(jax.nn.softmax(LOGITS))
  got = lovasz_softmax(LOGITS, TARGET, absent=absent)
  for b in range(2):
    known = TARGET[b] != 255
    each = []
    for k in range(K):
      truth = (TARGET[b] == k)[known]
      errors = np.abs(truth - probs[b][known][:, k])
      if truth.any() or absent == "count":
        each.append(extension(errors, set(np.flatnonzero(truth).tolist())))
    assert got[b] == pytest.approx(np.mean(each), rel=1e-5)


def test_lovasz_of_sure_predictions_is_one_minus_iou():
  guess = RNG.integers(0, K, (1, H, W))
  truth, sure = TARGET[:1], 60 * jax.nn.one_hot(guess, K)
  known = truth != 255
  each = []
  for k in np.unique(truth[known]):
    a, b = (truth == k)[known], (guess == k)[known]
    each.append(1 - (a & b).sum() / (a | b).sum())
  assert lovasz_softmax(sure, truth)[0] == pytest.approx(np.mean(each))


LOSSES = {"ohem": hardest_cross_entropy, "lovasz": lovasz_softmax}


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_slopes_and_ignored_pixels_have_none(name):
  loss = lambda x: jnp.sum(LOSSES[name](x, TARGET))
  grad = jax.grad(loss)(LOGITS)
  assert not np.asarray(grad)[TARGET == 255].any()
  way = jnp.asarray(RNG.normal(size=LOGITS.shape), jnp.float32)
  slope = (loss(LOGITS + 5e-3 * way) - loss(LOGITS - 5e-3 * way)) / 1e-2
  assert float(jnp.sum(grad * way)) == pytest.approx(float(slope), rel=2e-2)


@pytest.mark.parametrize("name", LOSSES)
def test_a_label_that_is_no_class_gives_nan_in_its_image(name):
  strange = TARGET.copy()
  strange[0, 3, 3] = K
  value = np.asarray(LOSSES[name](LOGITS, strange))
  assert np.isnan(value[0]) and np.isfinite(value[1:]).all()


@pytest.mark.parametrize("given", [(-0.1, 0.1), (0.7, 1.1), (0.0, 0.0)])
def test_what_cannot_be_hard_is_named(given):
  with pytest.raises(ValueError, match=r"OHEM: got threshold .*expected both"):
    hardest_cross_entropy(LOGITS, TARGET, threshold=given[0], share=given[1])
