"""The mapped axis as a context: right wherever a step is traced."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vision_jax.core.mapped import mapped, mapped_axis
from vision_jax.layers.norm import BatchNorm
from vision_jax.layers.stochastic import Dropout

X = np.random.default_rng(0).normal(size=(16, 3)).astype(np.float32)


class Layers(nn.Module):
  """BatchNorm and dropout: what depends on the whole batch."""

  @nn.compact
  def __call__(self, x, _=None):
    return Dropout(0.5)(BatchNorm()(x, train=True), train=True)


class Scanned(nn.Module):
  """The same, twice, in a scan."""

  @nn.compact
  def __call__(self, x):
    body = nn.scan(
      lambda module, x, _: (module(x), None),
      variable_axes={"params": 0, "batch_stats": 0},
      split_rngs={"params": True, "dropout": True},
      length=2,
    )
    return body(Layers(), x, None)[0]


def run(model, x):
  """The model's outputs for fixed weights and noise."""
  keys = {"params": jax.random.key(0), "dropout": jax.random.key(1)}
  variables = jax.eval_shape(model.init, keys, x)
  fill = lambda leaf: jnp.ones(leaf.shape, leaf.dtype)
  variables = jax.tree.map(fill, variables)
  rngs = {"dropout": keys["dropout"]}
  return model.apply(variables, x, rngs=rngs, mutable=["batch_stats"])[0]


def over_eight(step):
  """The outputs under pmap over eight devices, entered within the map."""

  def inside(x):
    with mapped("batch"):
      return step(x)

  y = jax.pmap(inside, axis_name="batch")(X.reshape(8, 2, 3))
  return np.asarray(y).reshape(X.shape)


MODELS = {
  "plain": Layers,
  "remat": lambda: nn.remat(Layers)(),
  "jit": lambda: nn.jit(Layers)(),
  "scan": Scanned,
}


@pytest.mark.parametrize("name", MODELS)
def test_pmap_equals_one_device(name):
  model = MODELS[name]()
  expected = jax.jit(lambda x: run(model, x))(X)
  got = over_eight(lambda x: run(model, x))
  np.testing.assert_allclose(got, expected, atol=1e-5)


def test_a_nested_jit_that_was_first_traced_without_the_axis():
  inner = jax.jit(lambda x: run(Layers(), x))
  expected = np.asarray(inner(X))
  inner(X[:2])  # of a shard's shape, without the axis
  np.testing.assert_allclose(over_eight(inner), expected, atol=1e-5)


@pytest.mark.parametrize("layer", [BatchNorm, lambda: Dropout(0.5)])
def test_a_map_that_the_context_does_not_name_is_an_error(layer):
  def step(x):
    model = layer()
    rngs = {"params": jax.random.key(0), "dropout": jax.random.key(1)}
    return model.init_with_output(rngs, x, train=True)[0]

  with pytest.raises(RuntimeError, match=r"under a map over .'batch'.*None"):
    jax.eval_shape(jax.pmap(step, axis_name="batch"), X.reshape(8, 2, 3))


def test_the_context_ends():
  with mapped("batch"), mapped(None):
    assert mapped_axis() is None
  assert mapped_axis() is None
