"""Convolution and pooling: torch's numbers, and both forms alike."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.oracles import library
from vision_jax.layers.conv import convolve, max_pool
from vision_jax.ops.forms import cpu_forms

POOLS = [(2, 2, 0), (3, 2, 1), (3, 3, 0), (3, 2, 0)]
# kernel, stride, padding: 1x1, strided 1x1, patches, 3x3, strided 7x7
KERNELS = [(1, 1, 0), (1, 2, 0), (4, 4, 0), (3, 1, 1), (3, 2, 1), (7, 2, 3)]


def with_gradient(fn, *args):
  """Returns fn's value, and the gradient of a sum that weighs it."""
  y, pull = jax.vjp(fn, *args)
  weight = jax.random.normal(jax.random.key(9), y.shape)
  return np.asarray(y), [np.asarray(g) for g in pull(weight)], weight


def make_image(size=9, ties=False):
  x = np.random.default_rng(0).normal(size=(2, size, size + 3, 5))
  x = np.round(x) if ties else x
  return jnp.asarray(np.maximum(x, 0) if ties else x, jnp.float32)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("size,stride,padding", POOLS)
@pytest.mark.parametrize("on", [True, False])
def test_max_pool_equals_torch(size, stride, padding, ties, on):
  torch = library("torch")
  x = make_image(ties=ties)
  with cpu_forms(on):
    y, (dx,), weight = with_gradient(
      lambda x: max_pool(x, size, stride, padding), x
    )
  nchw = lambda a: torch.tensor(np.asarray(a).transpose(0, 3, 1, 2).copy())
  tx = nchw(x).requires_grad_()
  ty = torch.nn.functional.max_pool2d(tx, size, stride, padding)
  ty.backward(nchw(weight))
  nhwc = lambda a: a.detach().numpy().transpose(0, 2, 3, 1)
  np.testing.assert_array_equal(y, nhwc(ty))
  # Also with ties: the first of equal values takes the gradient.
  np.testing.assert_allclose(dx, nhwc(tx.grad), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("on", [True, False])
def test_max_pool_passes_nan_on(on):
  x = make_image().at[0, 1, 1, 2].set(jnp.nan)
  with cpu_forms(on):
    y = max_pool(x)
  assert np.isnan(y[0, 0, 0, 2])
  assert np.isnan(y).sum() == 1


def test_max_pool_of_too_small_an_image():
  with pytest.raises(ValueError, match=r"1 x 4.*window of 2"):
    max_pool(jnp.zeros((1, 1, 4, 3)))


@pytest.mark.parametrize("kernel,stride,padding", KERNELS)
def test_convolution_forms_agree_with_torch(kernel, stride, padding):
  torch = library("torch")
  x = make_image(11)
  w = jax.random.normal(jax.random.key(1), (kernel, kernel, 5, 6))
  fn = lambda x, w: convolve(x, w, stride, padding)
  results = {}
  for on in (True, False):
    with cpu_forms(on):
      results[on] = with_gradient(fn, x, w)
  y, (dx, dw), weight = results[True]
  np.testing.assert_allclose(y, results[False][0], rtol=1e-5, atol=1e-5)
  for a, b in zip((dx, dw), results[False][1], strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
  nchw = lambda a: torch.tensor(np.asarray(a).transpose(0, 3, 1, 2).copy())
  tx = nchw(x).requires_grad_()
  tw = torch.tensor(np.asarray(w).transpose(3, 2, 0, 1).copy())
  tw.requires_grad_()
  ty = torch.nn.functional.conv2d(tx, tw, None, stride, padding)
  ty.backward(nchw(weight))
  nhwc = lambda a: a.detach().numpy().transpose(0, 2, 3, 1)
  np.testing.assert_allclose(y, nhwc(ty), rtol=1e-4, atol=1e-4)
  np.testing.assert_allclose(dx, nhwc(tx.grad), rtol=1e-4, atol=1e-4)
  expected = tw.grad.numpy().transpose(2, 3, 1, 0)
  np.testing.assert_allclose(dw, expected, rtol=1e-4, atol=1e-4)
