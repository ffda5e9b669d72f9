"""Losses of pixels against torch, ignored pixels and absent classes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.oracles import library
from vision_jax.losses import class_weights
from vision_jax.losses import segmentation as losses

B, H, W, K = 2, 5, 6, 4
RNG = np.random.default_rng(0)
LOGITS = jnp.asarray(RNG.normal(size=(B, H, W, K)), jnp.float32)
TARGET = RNG.integers(0, K - 1, (B, H, W)).astype(np.uint8)
TARGET[0, 0, :3] = TARGET[1, 2] = 255
WEIGHTS = (0.5, 2.0, 1.5, 3.0)
PIXEL = {
  "cross_entropy": losses.pixel_cross_entropy,
  "focal": losses.pixel_focal,
}
IMAGE = {"dice": losses.soft_dice, "jaccard": losses.soft_jaccard}


def test_cross_entropy_equals_torch():
  torch = library("torch")
  f = torch.nn.functional
  tensors = (
    torch.tensor(np.asarray(LOGITS).transpose(0, 3, 1, 2).copy()),
    torch.tensor(TARGET.astype(np.int64)),
  )
  for weights in (None, WEIGHTS):
    expected = f.cross_entropy(
      *tensors,
      weight=None if weights is None else torch.tensor(weights),
      ignore_index=255,
    )
    value = losses.pixel_cross_entropy(LOGITS, TARGET)
    weight = losses.pixel_weights(jnp.asarray(TARGET), class_weights=weights)
    got = jnp.sum(value * weight) / jnp.sum(weight)
    np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_focal_without_focus_is_cross_entropy():
  np.testing.assert_allclose(
    losses.pixel_focal(LOGITS, TARGET, gamma=0.0),
    losses.pixel_cross_entropy(LOGITS, TARGET),
    rtol=1e-6,
  )


@pytest.mark.parametrize("absent", ["skip", "count"])
@pytest.mark.parametrize("name", IMAGE)
def test_overlap_of_classes_by_hand(name, absent):
  p = np.asarray(jax.nn.softmax(LOGITS))
  for b in range(B):
    known = TARGET[b] != 255
    values = []
    for k in range(K):
      truth = (TARGET[b] == k)[known]
      if absent == "skip" and not truth.any():
        continue
      both, total = p[b, known, k][truth].sum(), p[b, known, k].sum()
      whole = total + truth.sum()
      parts = {
        "dice": (2 * both + 1) / (whole + 1),
        "jaccard": (both + 1) / (whole - both + 1),
      }
      values.append(1 - parts[name])
    got = IMAGE[name](LOGITS, TARGET, absent=absent)[b]
    np.testing.assert_allclose(got, np.mean(values), rtol=1e-5)


@pytest.mark.parametrize("name", PIXEL | IMAGE)
def test_ignored_pixels_have_no_gradient_and_wrong_ones_give_nan(name):
  loss = (PIXEL | IMAGE)[name]
  grad = jax.grad(lambda x: jnp.sum(loss(x, TARGET)))(LOGITS)
  ignored = TARGET == 255
  assert not np.asarray(grad)[ignored].any()
  assert np.asarray(grad)[~ignored].any(-1).all()
  strange = TARGET.copy()
  strange[0, 3, 3] = K
  value = np.asarray(loss(LOGITS, strange))
  assert np.isnan(value[0]).any() and np.isfinite(value[1]).all()
  empty = np.full_like(TARGET, 255)
  np.testing.assert_array_equal(loss(LOGITS, empty), 0)


@pytest.mark.parametrize("name", IMAGE)
def test_a_perfect_prediction_costs_nothing(name):
  sure = 50 * jax.nn.one_hot(TARGET, K)
  np.testing.assert_allclose(IMAGE[name](sure, TARGET), 0, atol=1e-6)


def test_median_frequency():
  # Of class 0 half of its images' pixels, of class 1 a tenth, of 2 none.
  weights = class_weights.median_frequency_weights(
    [500, 50, 0, 30], [1000, 500, 0, 100]
  )
  np.testing.assert_allclose(weights, [0.3 / 0.5, 0.3 / 0.1, 0, 1.0], rtol=1e-6)


@pytest.mark.parametrize("beta", [0.0, 0.9, 0.9999])
def test_effective_numbers(beta):
  pixels = np.array([500, 50, 0, 7])
  series = [sum(beta**i for i in range(n)) for n in pixels]  # Cui et al., (2)
  each = np.array([1 / x if x else 0 for x in series])
  weights = class_weights.effective_number_weights(pixels, beta)
  np.testing.assert_allclose(weights, 3 * each / each.sum(), rtol=1e-6)


@pytest.mark.parametrize(
  ("call", "message"),
  [
    (
      lambda: class_weights.effective_number_weights([1, 2], 1.0),
      r"got 1.0; expected \[0, 1\)",
    ),
    (
      lambda: class_weights.effective_number_weights([0, 0], 0.5),
      "one pixel at least",
    ),
    (
      lambda: losses.pixel_cross_entropy(LOGITS, TARGET[:, 1:]),
      r"target: got uint8\[2, 4, 6\] for logits",
    ),
    (lambda: losses.soft_dice(LOGITS, TARGET, absent="one"), "absent: got"),
    (lambda: losses.soft_dice(LOGITS, TARGET, smooth=0.0), "smooth: got 0"),
    (
      lambda: class_weights.median_frequency_weights([1], [1, 2]),
      "expected a count",
    ),
    (
      lambda: class_weights.median_frequency_weights([3], [2]),
      "pixels <= present",
    ),
  ],
)
def test_bad_arguments_are_named(call, message):
  with pytest.raises(ValueError, match=message):
    call()
