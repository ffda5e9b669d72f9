"""Convolution of clips: torch's numbers, and both forms alike."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.oracles import library
from vision_jax.forms.choice import use_forms
from vision_jax.layers.conv3d import Conv3D, along_time
from vision_jax.ops.convolution3d import convolution3d

# kernel, stride (time, image), padding, dilation in time
HOW = ("stride", "padding", "dilation")
CASES = [
  ((3, 3, 3), (1, 1), (1, 1, 1), 1),
  ((3, 3, 3), (2, 2), (1, 1, 1), 1),
  ((3, 1, 1), (2, 1), (1, 0, 0), 1),
  ((1, 5, 5), (1, 2), (0, 2, 2), 1),
  ((2, 3, 3), (2, 3), (0, 0, 0), 1),
  ((3, 1, 1), (1, 1), (2, 0, 0), 2),
]


def everything(x, kernels, weights):
  """Of each case the result, and the gradients of a sum that weighs it."""
  found = []
  for (_, *how), kernel, weight in zip(CASES, kernels, weights, strict=True):
    fn = functools.partial(convolution3d, **dict(zip(HOW, how, strict=True)))
    y, pull = jax.vjp(fn, x, kernel)
    found.append((y, *pull(weight)))
  return found


@pytest.mark.parametrize(
  "form", [pytest.param("convolution", marks=pytest.mark.slow), "taps"]
)
def test_it_equals_torch_with_its_gradient(form):
  torch = library("torch")
  rng = np.random.default_rng(0)
  draw = lambda *shape: rng.normal(size=shape).astype(np.float32)
  x, expected, weights = draw(2, 5, 5, 6, 2), [], []
  kernels = [draw(*sides, 2, 3) for sides, *_ in CASES]
  back = lambda a: a.detach().numpy().transpose(0, 2, 3, 4, 1)
  ahead = lambda a: torch.tensor(a.transpose(0, 4, 1, 2, 3).copy())
  for (_, stride, padding, dilation), kernel in zip(
    CASES, kernels, strict=True
  ):
    tx = ahead(x).requires_grad_()
    tk = torch.tensor(kernel.transpose(4, 3, 0, 1, 2).copy())
    tk.requires_grad_()
    steps = (stride[0], stride[1], stride[1])
    ty = torch.nn.functional.conv3d(
      tx, tk, None, steps, padding, (dilation, 1, 1)
    )
    weights.append(draw(*back(ty).shape))
    ty.backward(ahead(weights[-1]))
    dk = tk.grad.numpy().transpose(2, 3, 4, 1, 0)
    expected.append((back(ty), back(tx.grad), dk))
  with use_forms(conv_3d=form):
    got = jax.jit(everything)(x, kernels, weights)
  for ours, theirs in zip(got, expected, strict=True):
    for a, b in zip(ours, theirs, strict=True):
      np.testing.assert_allclose(a, b, rtol=1e-4, atol=3e-4)


def test_half_the_window_keeps_the_size():
  x = jax.ShapeDtypeStruct((2, 9, 4, 4, 3), jnp.bfloat16)
  layer = Conv3D(5, (3, 1, 3), dilation=4, use_bias=True, dtype=jnp.bfloat16)
  y, variables = jax.eval_shape(
    lambda x: layer.init_with_output(jax.random.key(0), x), x
  )
  assert y.shape == (2, 9, 4, 4, 5) and y.dtype == jnp.bfloat16
  shapes = {k: v.shape for k, v in variables["params"].items()}
  assert shapes == {"kernel": (3, 1, 3, 3, 5), "bias": (5,)}
  assert variables["params"]["kernel"].dtype == jnp.float32
  assert along_time(jnp.zeros((2, 9, 3))).shape == (2, 9, 1, 1, 3)
  assert along_time(jnp.zeros((2, 9, 5, 3))).shape == (2, 9, 5, 1, 3)
