"""A net of a task: statistics, noise and names."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vision_jax.layers.norm import BatchNorm
from vision_jax.layers.stochastic import Dropout
from vision_jax.tasks.net import Net


class Noisy(nn.Module):
  """Statistics and noise in one."""

  @nn.compact
  def __call__(self, x, shift=0, *, train, mask=None):
    x = BatchNorm()(x + shift, train=train, mask=mask)
    return Dropout(0.5)(x, train=train)


@pytest.fixture(name="net", scope="module")
def make_net():
  net, x = Net(Noisy(), "critic"), jnp.arange(8.0).reshape(4, 2)
  params, stats = net.init(jax.random.key(0), x)
  stats |= {"other": {"batch_stats": {"mean": jnp.ones(3)}}}
  return net, x, params, stats


def test_an_evaluation_leaves_statistics_and_draws_nothing(net):
  net, x, params, stats = net
  assert params.keys() == {"critic"}
  key = jax.random.key(1)
  out, new = net.run(params, stats, x, key=key, train=False)
  assert new is stats
  again = net.given(params, stats)(x, train=False)
  np.testing.assert_array_equal(out, again)
  np.testing.assert_allclose(out, x / np.sqrt(1 + 1e-5), rtol=1e-6)


def test_training_draws_and_moves_its_own_statistics_alone(net):
  net, x, params, stats = net
  run = lambda seed, **options: net.run(
    *(params, stats, x, 1.0), key=jax.random.key(seed), train=True, **options
  )
  (first, new), (same, _), (other, _) = run(1), run(1), run(2)
  np.testing.assert_array_equal(first, same)
  assert (first != other).any() and (first == 0).any()
  assert new["other"] is stats["other"]
  moved = (
    jax.tree.leaves(new["critic"])[0] != jax.tree.leaves(stats["critic"])[0]
  )
  assert moved.all()
  few = run(1, mask=jnp.array([1.0, 1, 0, 0]))[1]
  leaf = lambda tree: np.asarray(jax.tree.leaves(tree["critic"])[0])
  assert (leaf(few) != leaf(new)).all(), "options reach the module"
