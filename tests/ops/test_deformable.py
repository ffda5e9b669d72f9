"""Sampling maps of several sizes against transformers' plain torch."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.oracles import library
from vision_jax.ops.deformable import sample_levels

SIDES = ((6, 9), (3, 5), (2, 2))
B, Q, M, P, D = 2, 7, 3, 4, 5


def example():
  """Values, points, some of them beyond the maps, and weights."""
  rng = np.random.default_rng(0)
  length = sum(h * w for h, w in SIDES)
  values = rng.normal(size=(B, length, M, D))
  points = rng.uniform(-0.3, 1.3, (B, Q, M, len(SIDES), P, 2))
  weights = rng.uniform(size=points.shape[:-1])
  return [x.astype(np.float32) for x in (values, points, weights)]


@pytest.mark.slow
def test_values_and_gradients_are_transformers():
  torch = library("torch")
  library("transformers")
  from transformers.models.deformable_detr import (
    modeling_deformable_detr as theirs,
  )

  given = example()
  wanted = np.random.default_rng(1).normal(size=(B, Q, M * D))
  wanted = wanted.astype(np.float32)
  tensors = [torch.tensor(x, requires_grad=True) for x in given]
  values, points, weights = tensors
  sides = torch.tensor(SIDES)
  out = theirs.MultiScaleDeformableAttention()(
    *(values, sides, list(SIDES), None, points, weights, 64)
  )
  (out * torch.tensor(wanted)).sum().backward()

  @jax.jit
  def ours(given):
    y, pull = jax.vjp(functools.partial(sample_levels, sides=SIDES), *given)
    return y, pull(jnp.reshape(wanted, y.shape))

  got, gradients = ours(given)
  theirs = out.detach().numpy().reshape(B, Q, M, D)
  np.testing.assert_allclose(got, theirs, atol=1e-5)
  for ours, tensor in zip(gradients, tensors, strict=True):
    scale = float(tensor.grad.abs().max())
    np.testing.assert_allclose(ours, tensor.grad, atol=1e-5 * scale)


@pytest.mark.slow
def test_a_pixels_centre_gives_the_pixel_and_beyond_is_nothing():
  h, w = 3, 4
  values = np.arange(h * w, dtype=np.float32).reshape(1, h * w, 1, 1)
  x, y = np.meshgrid((np.arange(w) + 0.5) / w, (np.arange(h) + 0.5) / h)
  points = np.stack([x, y], -1).reshape(1, h * w, 1, 1, 1, 2)
  weights = np.ones((1, h * w, 1, 1, 1), np.float32)
  found = sample_levels(values, points, weights, ((h, w),))
  np.testing.assert_allclose(found, values, atol=1e-5)
  assert not np.any(sample_levels(values, points + 2, weights, ((h, w),)))


def test_maps_of_other_sizes_are_refused():
  values, points, weights = example()
  with pytest.raises(ValueError, match=r"values: got shape \(2, 73, 3, 5\)"):
    sample_levels(values, points, weights, SIDES[:2])
  with pytest.raises(ValueError, match="points: got shape"):
    sample_levels(values, points[:, :1], weights, SIDES)
