"""Gradients of weights in bfloat16 nets: float32 before devices add them up."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vision_jax.core.execution import Jit, Pmap
from vision_jax.forms.choice import cpu_forms, use_forms
from vision_jax.layers.conv import Conv
from vision_jax.layers.dense import Dense
from vision_jax.layers.dense_to_conv import SlidingDense
from vision_jax.layers.spectral_norm import SpectralConv
from vision_jax.layers.upsample import TransposedConv

HALF = jnp.bfloat16
SHAPE = (16, 4, 4, 5)
LAYERS = {
  "conv": lambda dtype: Conv(7, 3, 2, dtype=dtype),
  "conv_1x1": lambda dtype: Conv(7, 1, dtype=dtype),
  "patches": lambda dtype: Conv(7, 2, 2, 0, dtype=dtype),
  "depthwise": lambda dtype: Conv(5, 3, 2, dtype=dtype, groups=5),
  "grouped": lambda dtype: Conv(10, 3, dtype=dtype, groups=5),
  "dense": lambda dtype: Dense(7, dtype=dtype),
  "sliding": lambda dtype: SlidingDense(7, (2, 2), dtype),
  "transposed": lambda dtype: TransposedConv(7, dtype=dtype),
  "spectral": lambda dtype: SpectralConv(7, dtype=dtype),
}


def inputs():
  return np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)


def make(name, dtype=HALF):
  """A layer, how it is applied, and its variables."""
  layer = LAYERS[name](dtype)
  options = {"train": False} if name == "spectral" else {}
  variables = layer.init(jax.random.key(0), inputs(), **options)
  return lambda p, x: layer.apply(
    {**variables, "params": p}, x.astype(dtype), **options
  ), variables["params"]


def gradient(apply):
  """(params, x) -> the gradient of a sum that no value is alike in."""

  def loss(params, x):
    y = apply(params, x).astype(jnp.float32)
    return jnp.sum(y * jnp.sin(jnp.arange(y[0].size).reshape(y[0].shape)))

  return jax.grad(loss)


@pytest.mark.parametrize("forms", [True, False], ids=["cpu", "first"])
@pytest.mark.parametrize("name", LAYERS)
def test_devices_add_up_float32(name, forms):
  apply, params = make(name)
  execution = Jit()
  batch = execution.put({"x": inputs(), "mask": np.ones(16, np.float32)})
  step = lambda p, s, m, batch, key: gradient(apply)(p, batch["x"])
  with cpu_forms(forms):
    step = execution.eval_step(step)
    text = step.lower(params, (), (), batch, ()).as_text()
    grads = step(params, (), (), batch, ())
    exact = gradient(make(name, jnp.float32)[0])(params, inputs())
  assert {g.dtype for g in jax.tree.leaves(grads)} == {jnp.dtype("float32")}
  close = lambda a, b: np.testing.assert_allclose(
    a, b, atol=0.03 * float(jnp.abs(b).max())
  )
  jax.tree.map(close, grads, exact)
  assert summed(text) == ["f32"]  # the kernel's


def summed(text):
  """The dtypes of the sums over devices that a lowered program asks for."""
  sums = re.findall(r'"stablehlo.all_reduce".*?-> tensor<(.*?)>', text, re.S)
  return [shape.split("x")[-1] for shape in sums]


def test_a_product_gives_float32_in_the_form_that_says_so():
  apply, params = make("dense")
  with use_forms(dense_gradient="float32"):
    text = jax.jit(gradient(apply)).lower(params, inputs()).as_text()
  assert re.search(r"dot_general.*xbf16>\) -> tensor<5x7xf32>", text)


def test_pmap_adds_up_float32_too():
  apply, params = make("conv")
  execution = Pmap()
  batch = execution.put({"x": inputs(), "mask": np.ones(16, np.float32)})
  step = lambda p, s, m, batch, key: jax.lax.psum(
    gradient(apply)(p, batch["x"]), execution.axis
  )
  step = execution.eval_step(step)
  text = step.lower(params, (), (), batch, ()).as_text()
  assert summed(text) == ["f32"]


@pytest.mark.parametrize("name", ["conv", "dense"])
def test_there_is_a_gradient_of_a_gradient(name):
  """As a gradient penalty needs."""

  def penalty(dtype):
    apply, params = make(name, dtype)
    score = lambda p, x: jnp.sum(jnp.sin(apply(p, x).astype(jnp.float32)))
    size = lambda p, x: jnp.sum(jax.grad(score, 1)(p, x) ** 2)
    return jax.grad(size)(params, inputs())

  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(
      a, b, atol=0.05 * float(jnp.abs(b).max())
    ),
    penalty(HALF),
    penalty(jnp.float32),
  )
