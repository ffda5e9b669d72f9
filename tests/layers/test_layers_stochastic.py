"""Dropout and stochastic depth: rates, and eight devices against one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from vision_jax.core.mapped import mapped
from vision_jax.layers.stochastic import (
  Dropout,
  SpatialDropout,
  StochasticDepth,
)

LAYERS = [Dropout, StochasticDepth, SpatialDropout]


def run(layer, x, key, axis=None, rate=0.4):
  with mapped(axis):
    return layer(rate).apply({}, x, train=True, rngs={"dropout": key})


@pytest.mark.parametrize("layer", LAYERS)
def test_rate_and_scale(layer):
  y = np.asarray(run(layer, jnp.ones((4000, 3)), jax.random.key(0), rate=0.25))
  np.testing.assert_allclose(np.unique(y), [0, 1 / 0.75], rtol=1e-6)
  assert abs((y == 0).mean() - 0.25) < 0.02
  whole = np.all(y == y[:, :1])
  assert whole == (layer is StochasticDepth)


def test_a_channel_is_dropped_from_the_whole_map():
  y = run(SpatialDropout, jnp.ones((50, 2, 3, 8)), jax.random.key(0))
  y = np.asarray(y).reshape(50, 6, 8)
  assert (y == y[:, :1]).all() and 0 < (y[:, 0] == 0).mean() < 1
  assert len(np.unique(y[:, 0] == 0, axis=0)) > 20  # each by itself


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("how", ["pmap", "jit"])
def test_eight_devices_draw_what_one_does(layer, how):
  x, key = jax.random.normal(jax.random.key(1), (16, 5)), jax.random.key(0)
  expected = run(layer, x, key)
  if how == "pmap":
    fn = jax.pmap(
      lambda x, key: run(layer, x, key, "data"), "data", in_axes=(0, None)
    )
    y = fn(x.reshape(8, 2, 5), key).reshape(16, 5)
  else:
    mesh = jax.make_mesh((8,), ("data",), (AxisType.Auto,))
    rows = NamedSharding(mesh, PartitionSpec("data"))
    y = jax.jit(lambda x: run(layer, x, key))(jax.device_put(x, rows))
  np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("layer", LAYERS)
def test_nothing_happens_in_evaluation(layer):
  x = jnp.ones((2, 3))
  assert layer(0.5).apply({}, x, train=False) is x
  assert layer(0.0).apply({}, x, train=True) is x


@pytest.mark.parametrize("layer", LAYERS)
def test_a_rate_that_is_no_probability(layer):
  with pytest.raises(ValueError, match=r"rate=1\.0; expected 0 <= rate"):
    layer(1.0).apply({}, jnp.ones((2, 3)), train=True)
