"""Convolution and pooling: torch's numbers, and both forms alike."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.oracles import library
from vision_jax.export import stablehlo
from vision_jax.forms.choice import cpu_forms
from vision_jax.layers.conv import convolve, max_pool

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


@pytest.mark.parametrize("images", [1, 7, 8])
def test_few_images_are_padded_beforehand(images):
  x, w = jnp.ones((images, 9, 9, 8)), jnp.ones((3, 1, 8, 6))
  padded = lambda: jax.jit(lambda *a: convolve(*a, 1, (2, 0), 2)).lower(x, w)
  with cpu_forms(True):
    assert ("stablehlo.pad" in padded().as_text()) == (images < 8)
  with cpu_forms(False):
    assert "stablehlo.pad" not in padded().as_text()


def test_images_of_an_export_are_not_counted():
  (b,) = jax.export.symbolic_shape("b")
  image = jax.ShapeDtypeStruct((b, 9, 9, 8), jnp.float32)
  call = jax.jit(lambda x: convolve(x, jnp.ones((3, 3, 8, 6)), 1, 1))
  with stablehlo.forms_for(("cpu",)):
    exported = jax.export.export(call)(image)
  assert str(exported.out_avals[0].shape[0]) == "b"


# map, channels, kernel, stride, padding, dilation. Maps smaller than a kernel,
# results smaller than it, places that meet padding alone, and none of these.
SMALL = {
  "2x2": ((2, 2), 8, 3, 1, 1, 1),
  "1x1": ((1, 1), 8, 3, 1, 1, 1),
  "one_axis": ((2, 9), 8, 3, 1, 1, 1),
  "wide": ((4, 5), 8, 7, 1, 3, 1),
  "to_2x2": ((4, 4), 8, 3, 2, 1, 1),
  "to_1x1": ((5, 5), 8, 5, 1, 0, 1),
  "padded": ((1, 2), 8, 2, 1, 1, 1),
  "dilated": ((5, 4), 8, 3, 1, 6, 6),
  "dilated_strided": ((5, 5), 8, 3, 2, 2, 4),
  "off_centre": ((3, 3), 8, 3, 2, 4, 4),
  "all_padding": ((1, 1), 8, 2, 1, 2, 4),
  "few_channels": ((2, 2), 3, 3, 1, 1, 1),
  "large": ((6, 7), 8, 3, 1, 1, 1),
}
ONE_LOOP = {"few_channels", "large"}  # as XLA has them


@pytest.mark.parametrize("name", SMALL)
def test_small_maps_equal_torch_in_float64(name):
  torch = library("torch")
  sides, c, k, stride, padding, dilation = SMALL[name]
  rng = np.random.default_rng(0)
  x, w = rng.normal(size=(2, *sides, c)), rng.normal(size=(k, k, c, 6))
  tx, tw = torch.tensor(x).permute(0, 3, 1, 2), torch.tensor(w)
  tx, tw = tx.requires_grad_(), tw.permute(3, 2, 0, 1).requires_grad_()
  ty = torch.nn.functional.conv2d(tx, tw, None, stride, padding, dilation)
  weight = rng.normal(size=ty.permute(0, 2, 3, 1).shape)
  ty.backward(torch.tensor(weight).permute(0, 3, 1, 2))

  @jax.jit
  def both(x, w, weight):
    fn = lambda x, w: convolve(x, w, stride, padding, dilation)
    y, pull = jax.vjp(fn, x, w)
    return y, *pull(weight)

  with cpu_forms(True):
    lowered = both.lower(*map(jnp.float32, (x, w, weight)))
  assert ("stablehlo.convolution" in lowered.as_text()) == (name in ONE_LOOP)
  y, dx, dw = lowered.compile()(*map(jnp.float32, (x, w, weight)))
  close = lambda a, b: np.testing.assert_allclose(
    a, b.detach().numpy(), rtol=1e-4, atol=1e-4
  )
  close(y, ty.permute(0, 2, 3, 1))
  close(dx, tx.grad.permute(0, 2, 3, 1))
  close(dw, tw.grad.permute(2, 3, 1, 0))


def test_patches_that_would_fill_the_memory_are_not_made(monkeypatch):
  from vision_jax.ops import convolution

  x, w = jnp.ones((2, 2, 2, 8)), jnp.ones((3, 3, 8, 6))
  text = lambda: jax.jit(lambda *a: convolve(*a, 1, 1)).lower(x, w).as_text()
  with cpu_forms(True):
    assert "stablehlo.convolution" not in text()
    monkeypatch.setattr(convolution, "MOST_PATCHES", 2 * 4 * 9 * 8 - 1)
    assert "stablehlo.convolution" in text()


@pytest.mark.parametrize("layer", ["transposed", "sliding"])
def test_other_layers_take_the_form_of_small_maps(layer):
  """A transposed convolution of one pixel, a dense layer of a whole map."""
  from vision_jax.layers.dense_to_conv import SlidingDense
  from vision_jax.layers.upsample import TransposedConv

  layers = {
    "transposed": TransposedConv(6, 4),
    "sliding": SlidingDense(6, (2, 3)),
  }
  x = jax.random.normal(jax.random.key(0), (2, 2, 3, 8))
  x = x[:, :1, :1] if layer == "transposed" else x
  variables = layers[layer].init(jax.random.key(1), x)
  results = []
  for on in (True, False):
    fn = jax.jit(lambda x: layers[layer].apply(variables, x))
    with cpu_forms(on):
      lowered = fn.lower(x)
    assert ("stablehlo.convolution" in lowered.as_text()) != on
    results.append(lowered.compile()(x))
  np.testing.assert_allclose(*results, rtol=1e-5, atol=1e-5)
