"""Pooling of images: torch's numbers, in both forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.oracles import library
from vision_jax.forms.choice import cpu_forms
from vision_jax.layers.conv import adaptive_average, avg_pool, max_pool

# size, stride, padding: with rests that are windows, and one that begins in
# the padding and is none.
CEIL = [(3, 2, 0), (2, 2, 0), (3, 2, 1), (3, 1, 1), (2, 3, 1), (4, 3, 1)]
# size, stride: of TensorFlow's padding, which is as long on both sides for some
# lengths and not for others; the last leaves pixels out.
SAME = [(2, 1), (2, 2), (3, 2), (4, 3), (2, 3)]
MEANS = [(2, 2, 0), (3, 1, 1), (5, 3, 0), (3, 2, 1)]


def compare(ours, theirs, side):
  """Compares values and gradients for one size of images."""
  torch = library("torch")
  rng = np.random.default_rng(side)
  x = rng.normal(size=(2, side, side + 2, 3)).astype(np.float32)
  tx = torch.tensor(x).permute(0, 3, 1, 2).requires_grad_()
  ty = theirs(tx).permute(0, 2, 3, 1)
  weight = rng.normal(size=ty.shape).astype(np.float32)
  ty.backward(torch.tensor(weight))

  @jax.jit
  def both(x, weight):
    y, pull = jax.vjp(ours, x)
    return y, *pull(weight)

  y, dx = both(x, weight)
  np.testing.assert_allclose(y, ty.detach().numpy(), atol=1e-5)
  expected = tx.grad.permute(0, 2, 3, 1).numpy()
  np.testing.assert_allclose(dx, expected, atol=1e-5)


@pytest.mark.parametrize("on", [True, False], ids=["cpu", "first"])
@pytest.mark.parametrize("size,stride,padding", CEIL)
def test_max_pool_of_a_rest_equals_torch(size, stride, padding, on):
  pool = library("torch").nn.functional.max_pool2d
  with cpu_forms(on):
    for side in (7, 8):
      compare(
        lambda x: max_pool(x, size, stride, padding, ceil=True),
        lambda x: pool(x, size, stride, padding, ceil_mode=True),
        side,
      )


@pytest.mark.parametrize("on", [True, False], ids=["cpu", "first"])
@pytest.mark.parametrize("size,stride", SAME)
def test_max_pool_same_is_tensorflows(size, stride, on):
  """Values and gradients of torch's, after the padding that XLA calls SAME."""
  torch = library("torch")

  def theirs(x):
    pads = jax.lax.padtype_to_pads(
      x.shape[2:], (size, size), (stride, stride), "SAME"
    )
    around = [n for pad in reversed(pads) for n in pad]
    x = torch.nn.functional.pad(x, around, value=-torch.inf)
    return torch.nn.functional.max_pool2d(x, size, stride)

  with cpu_forms(on):
    for side in (7, 8):
      compare(lambda x: max_pool(x, size, stride, "same"), theirs, side)


def test_max_pool_same_by_hand():
  """The extra column is on the right: a window sees itself and what follows."""
  x = jnp.asarray([[5.0, 1, 2], [4, 3, 9]])[None, ..., None]
  expected = [[5, 9, 9], [4, 9, 9]]
  np.testing.assert_array_equal(max_pool(x, 2, 1, "same")[0, ..., 0], expected)
  assert max_pool(jnp.zeros((1, 1, 1, 2)), 3, 2, "same").shape == (1, 1, 1, 2)
  with pytest.raises(ValueError, match="got padding='valid'; expected a num"):
    max_pool(x, padding="valid")


@pytest.mark.parametrize("on", [True, False], ids=["cpu", "first"])
@pytest.mark.parametrize("size,stride,padding", MEANS)
def test_avg_pool_equals_torch(size, stride, padding, on):
  pool = library("torch").nn.functional.avg_pool2d
  with cpu_forms(on):
    compare(
      lambda x: avg_pool(x, size, stride, padding),
      lambda x: pool(x, size, stride, padding),
      9,
    )


@pytest.mark.parametrize("sides", [(2, 3), (7, 7), (9, 4)])
def test_adaptive_average_equals_torch(sides):
  pool = library("torch").nn.functional.adaptive_avg_pool2d
  compare(lambda x: adaptive_average(x, sides), lambda x: pool(x, sides), 7)


def test_means_of_bfloat16_add_up_in_float32():
  x = jnp.full((1, 33, 33, 1), 1 + 2**-7, jnp.bfloat16)
  for y in (avg_pool(x, 33, 33), adaptive_average(x, (1, 1))):
    assert y.dtype == jnp.bfloat16
    assert y.item() == 1 + 2**-7
  with pytest.raises(ValueError, match="avg_pool: got an image of 1 x 4"):
    avg_pool(jnp.zeros((1, 1, 4, 1)))
