"""Losses against torch's and transformers', gradients and limits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from tests.oracles import library
from vision_jax.core.types import Mean
from vision_jax.losses import classification as losses

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(7, 5)).astype(np.float32) * 3
CLASSES = RNG.integers(0, 5, 7).astype(np.int32)
SPREAD = RNG.dirichlet(np.ones(5), 7).astype(np.float32)
SEVERAL = (RNG.random((7, 5)) < 0.4).astype(np.float32)


def softmax_focal(torch, x, y):
  log_p = torch.log_softmax(x, -1)[torch.arange(len(y)), y]
  return -((1 - log_p.exp()) ** 1.5) * log_p


def sigmoid_focal(torch, x, y):
  from transformers.loss.loss_for_object_detection import sigmoid_focal_loss

  rows = [
    sigmoid_focal_loss(a[None, None], b[None, None], 1)
    for a, b in zip(x, y, strict=True)
  ]
  return torch.stack(rows)


CASES = {
  "classes": (
    losses.softmax_cross_entropy,
    CLASSES,
    lambda t, x, y: t.nn.functional.cross_entropy(x, y, reduction="none"),
  ),
  "classes_smoothed": (
    lambda x, y: losses.softmax_cross_entropy(x, y, 0.1),
    CLASSES,
    lambda t, x, y: t.nn.functional.cross_entropy(
      x, y, reduction="none", label_smoothing=0.1
    ),
  ),
  "distribution_smoothed": (
    lambda x, y: losses.softmax_cross_entropy(x, y, 0.2),
    SPREAD,
    lambda t, x, y: t.nn.functional.cross_entropy(
      x, y, reduction="none", label_smoothing=0.2
    ),
  ),
  "sigmoid": (
    losses.sigmoid_cross_entropy,
    SEVERAL,
    lambda t, x, y: t.nn.functional.binary_cross_entropy_with_logits(
      x, y, reduction="none"
    ).sum(-1),
  ),
  "sigmoid_smoothed": (
    lambda x, y: losses.sigmoid_cross_entropy(x, y, 0.1),
    CLASSES,
    lambda t, x, y: t.nn.functional.binary_cross_entropy_with_logits(
      x, t.nn.functional.one_hot(y, 5) * 0.9 + 0.02, reduction="none"
    ).sum(-1),
  ),
  "squared_error": (
    losses.squared_error,
    CLASSES,
    lambda t, x, y: (
      t.nn.functional.mse_loss(
        x, 2.0 * t.nn.functional.one_hot(y, 5) - 1, reduction="none"
      ).sum(-1)
      / 2
    ),
  ),
  "softmax_focal": (
    lambda x, y: losses.softmax_focal(x, y, 1.5),
    CLASSES,
    softmax_focal,
  ),
  "sigmoid_focal": (losses.sigmoid_focal, SEVERAL, sigmoid_focal),
}


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients_are_torchs(name):
  torch = library("torch")
  if name == "sigmoid_focal":
    library("transformers")
  ours, label, theirs = CASES[name]
  x = torch.tensor(LOGITS, requires_grad=True)
  y = torch.tensor(label.astype(np.int64) if label.ndim == 1 else label)
  want = theirs(torch, x, y)
  want.sum().backward()
  got = ours(jnp.asarray(LOGITS), jnp.asarray(label))
  grad = jax.grad(lambda z: ours(z, jnp.asarray(label)).sum())(LOGITS)
  assert got.shape == (7,)
  np.testing.assert_allclose(got, want.detach(), rtol=2e-5, atol=1e-6)
  np.testing.assert_allclose(grad, x.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_leading_axes_are_kept_and_bf16_is_computed_in_float32(name):
  loss, label, _ = CASES[name]
  x = jnp.asarray(LOGITS).astype(jnp.bfloat16)
  got = loss(x[:, None], jnp.asarray(label)[:, None])
  assert got.shape == (7, 1)
  assert got.dtype == jnp.float32
  want = loss(x.astype(jnp.float32), jnp.asarray(label))
  np.testing.assert_array_equal(got[:, 0], want)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("size", [0.0, 1e4, -1e4])
def test_large_logits_stay_finite(name, size):
  loss, label, _ = CASES[name]
  x = jnp.zeros((7, 5)).at[:, 0].set(size)
  value, grad = jax.value_and_grad(lambda z: loss(z, jnp.asarray(label)).sum())(
    x
  )
  assert np.isfinite(value)
  assert np.all(np.isfinite(grad))


@pytest.mark.parametrize(
  "loss",
  [
    losses.softmax_cross_entropy,
    losses.sigmoid_cross_entropy,
    losses.softmax_focal,
    losses.sigmoid_focal,
    losses.squared_error,
  ],
)
@pytest.mark.parametrize("wrong", [-1, 5])
def test_a_class_out_of_range_is_nan_unless_masked(loss, wrong):
  label = jnp.asarray(CLASSES).at[2].set(wrong)
  values = loss(jnp.asarray(LOGITS), label)
  assert np.isnan(values[2])
  assert np.isfinite(np.delete(values, 2)).all()
  mask = jnp.ones(7).at[2].set(0)
  grad = jax.grad(lambda x: Mean.of(loss(x, label), mask).divide())(LOGITS)
  assert np.all(np.isfinite(grad))
  assert np.all(grad[2] == 0)


def test_gamma_zero_is_cross_entropy():
  np.testing.assert_allclose(
    losses.softmax_focal(jnp.asarray(LOGITS), jnp.asarray(CLASSES), 0.0),
    losses.softmax_cross_entropy(jnp.asarray(LOGITS), jnp.asarray(CLASSES)),
    rtol=1e-6,
  )
  np.testing.assert_allclose(
    losses.sigmoid_focal(LOGITS, jnp.asarray(SEVERAL), 0.0, None),
    losses.sigmoid_cross_entropy(LOGITS, jnp.asarray(SEVERAL)),
    rtol=1e-6,
  )


def test_balanced_weights_are_sklearns():
  y = np.repeat([0, 1, 2], [10, 3, 7])
  want = compute_class_weight("balanced", classes=np.arange(3), y=y)
  got = losses.balanced_weights([10, 3, 7])
  np.testing.assert_allclose(got, want, rtol=1e-6)
  assert losses.balanced_weights([10, 0, 7])[1] == 0


def test_effective_numbers():
  got = losses.effective_number_weights([100, 10, 0], beta=0.9)
  raw = np.asarray([0.1 / (1 - 0.9**100), 0.1 / (1 - 0.9**10)])
  np.testing.assert_allclose(got[:2], 2 * raw / raw.sum(), rtol=1e-6)
  assert got[2] == 0
  np.testing.assert_array_equal(
    losses.effective_number_weights([5, 9], beta=0.0), [1, 1]
  )


@pytest.mark.parametrize(
  ("call", "message"),
  [
    (
      lambda: losses.softmax_cross_entropy(LOGITS, CLASSES[:3]),
      r"label: got int32\[3\] for logits \[7, 5\]",
    ),
    (
      lambda: losses.sigmoid_focal(LOGITS, SPREAD[:, :4]),
      r"expected integers \[7\] or floats \[7, 5\]",
    ),
    (
      lambda: losses.softmax_cross_entropy(LOGITS, CLASSES, 1.0),
      "smoothing: got 1.0",
    ),
    (lambda: losses.softmax_focal(LOGITS, CLASSES, -1), "gamma: got -1"),
    (lambda: losses.balanced_weights([0, 0]), "counts: got"),
    (lambda: losses.effective_number_weights([1], 1.0), "beta: got 1.0"),
  ],
)
def test_bad_arguments_are_named(call, message):
  with pytest.raises(ValueError, match=message):
    call()
