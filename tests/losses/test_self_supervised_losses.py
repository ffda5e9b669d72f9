"""Losses without labels, against their formulas in torch."""

import jax.numpy as jnp
import numpy as np
import pytest

from tests.oracles import library
from vision_jax.losses.self_supervised import (
  distilled,
  hidden_patches,
  interleaved,
  nt_xent,
  patches,
  views,
)

RNG = np.random.default_rng(0)


def normal(*shape):
  return RNG.normal(size=shape).astype(np.float32)


def torch_nt_xent(first, second, temperature):
  """SimCLR's equation 1, over all 2b views."""
  torch = library("torch")
  F = torch.nn.functional
  z = F.normalize(torch.cat([torch.tensor(first), torch.tensor(second)]))
  b = len(first)
  logits = (z @ z.T / temperature).fill_diagonal_(-torch.inf)
  other = torch.cat([torch.arange(b) + b, torch.arange(b)])
  return F.cross_entropy(logits, other).item()


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_nt_xent_is_the_papers(temperature):
  first, second = normal(6, 5), normal(6, 5)
  mask = np.array([1, 1, 1, 1, 0, 0], np.float32)
  index = np.array([7, 3, 12, 5, 7, 5], np.int32)  # padding repeats examples
  own = views(interleaved(first, second), index, mask)
  got = nt_xent(own, own, temperature)
  assert got.count == 8
  expected = torch_nt_xent(first[:4], second[:4], temperature)
  np.testing.assert_allclose(got.divide(), expected, rtol=1e-5)


def test_shards_of_views_add_up():
  index, mask = jnp.arange(6), jnp.ones(6)
  every = views(jnp.asarray(normal(12, 5)), index, mask)
  halves = [
    type(every)(*(x[at] for x in every)) for at in (slice(6), slice(6, 12))
  ]
  parts = [nt_xent(half, every) for half in halves]
  whole = nt_xent(every, every)
  total = sum(part.total for part in parts)
  np.testing.assert_allclose(total, whole.total, rtol=1e-5)


def test_distilled_is_dinos():
  torch = library("torch")
  F = torch.nn.functional
  student, teacher, centre = normal(5, 7), normal(5, 7), normal(7)
  probs = F.softmax(torch.tensor((teacher - centre) / 0.04), -1)
  log_probs = F.log_softmax(torch.tensor(student / 0.1), -1)
  expected = torch.sum(-probs * log_probs, -1)
  got = distilled(student, teacher, centre)
  np.testing.assert_allclose(got, expected, rtol=1e-4)


def test_hidden_patches_are_maes():
  torch = library("torch")
  image, pixels = normal(2, 8, 12, 3), normal(2, 6, 48)
  hidden = np.array([[1, 0, 1, 1, 0, 0], [0, 0, 0, 1, 0, 0]], np.float32)
  x = torch.tensor(image).reshape(2, 2, 4, 3, 4, 3)
  target = torch.einsum("nhpwqc->nhwpqc", x).reshape(2, 6, 48)
  np.testing.assert_array_equal(patches(image, 4), target)
  mean, var = target.mean(-1, keepdim=True), target.var(-1, keepdim=True)
  target = (target - mean) / (var + 1e-6) ** 0.5
  error = ((torch.tensor(pixels) - target) ** 2).mean(-1)
  expected = (error.numpy() * hidden).sum(1) / hidden.sum(1)
  got = hidden_patches(pixels, image, hidden)
  np.testing.assert_allclose(got, expected, rtol=1e-4)
