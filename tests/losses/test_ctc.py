"""CTC equals optax's and torch's, and the sum over all ways by hand."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests.oracles import library
from vision_jax.losses.ctc import ctc

RNG = np.random.default_rng(0)


def texts(lengths, n, k):
  """Labels (b, n), equal neighbours among them, and their mask."""
  label = RNG.integers(0, k - 1, (len(lengths), n)).astype(np.int32)
  label[0] = label[0, 0]
  mask = np.arange(n) < np.array(lengths)[:, None]
  return np.where(mask, label, k - 1).astype(np.int32), mask


def test_it_is_the_sum_over_all_ways_to_write_a_text():
  logits = RNG.normal(size=(3, 4, 3)).astype(np.float32)
  label = np.int32([[0, 0], [0, 1], [1, 2]])
  mask = np.array([[True, True], [True, True], [True, False]])
  probs = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
  got = np.asarray(jax.jit(ctc)(logits, label, mask))
  for i, wanted in enumerate(([0, 0], [0, 1], [1])):
    total = 0.0
    for path in itertools.product(range(3), repeat=4):
      joined = [k for k, _ in itertools.groupby(path)]
      if [k for k in joined if k != 2] == wanted:
        total += np.prod(probs[i, range(4), path])
    assert got[i] == pytest.approx(-np.log(total), rel=1e-5)


def test_values_and_gradients_are_optaxs_and_torchs():
  torch = library("torch")
  (b, t, k, n), lengths = (5, 20, 6, 6), [6, 5, 1, 0, 3]
  logits = RNG.normal(size=(b, t, k)).astype(np.float32) * 3
  label, mask = texts(lengths, n, k)
  ours = lambda x: ctc(x, label, mask)
  theirs = lambda x: optax.ctc_loss(
    x, np.zeros((b, t)), label, 1.0 - mask, blank_id=k - 1
  )

  @jax.jit
  def both(x):
    pairs = [jax.vjp(f, x) for f in (ours, theirs)]
    return [(value, pull(jnp.ones(b))[0]) for value, pull in pairs]

  (values, gradient), (expected, other) = both(logits)
  np.testing.assert_allclose(values, expected, rtol=1e-5)
  np.testing.assert_allclose(gradient, other, atol=5e-5)
  x = torch.tensor(logits, requires_grad=True)
  loss = torch.nn.functional.ctc_loss(
    x.log_softmax(-1).transpose(0, 1),
    torch.tensor(label).long(),
    torch.full((b,), t),
    torch.tensor(lengths),
    blank=k - 1,
    reduction="none",
  )
  np.testing.assert_allclose(values, loss.detach(), rtol=1e-5)
  loss.sum().backward()
  np.testing.assert_allclose(gradient, x.grad, atol=5e-5)


def test_a_text_that_does_not_fit_is_worse_than_any():
  logits = np.zeros((1, 3, 3), np.float32)
  fits, mask = np.int32([[0, 1, 0]]), np.ones((1, 3), bool)
  repeats = np.int32([[0, 0, 0]])  # needs two blanks more
  loss = jax.jit(jax.value_and_grad(lambda x, y: ctc(x, y, mask).sum()))
  assert loss(logits, fits)[0] == pytest.approx(3 * np.log(3))
  value, gradient = loss(logits, repeats)
  assert value > 1e4 and np.isfinite(gradient).all()
