"""Low-rank updates: nothing at first, one product after, alone in training."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import traverse_util

from vision_jax.errors import UserError
from vision_jax.models.adapted import Adapted, merged
from vision_jax.models.backbones.resnet import ResNet
from vision_jax.models.backbones.vit import ViT
from vision_jax.optim.optimizers import sgd

KEY = jax.random.key(0)
IMAGE = jax.random.normal(KEY, (2, 8, 8, 3))
NET = ViT(3, patch=4, features=8, depth=2, heads=2, mlp_ratio=2)


def flat(tree):
  return traverse_util.flatten_dict(dict(tree), sep="/")


def adapted(**fields):
  """Returns a net with updates, and its variables."""
  net = Adapted(NET, rank=2, alpha=4.0, **fields)
  return net, net.init(KEY, IMAGE, train=False)


def test_begins_as_the_net_itself():
  net, variables = adapted()
  plain = NET.init(KEY, IMAGE, train=False)
  own = merged(variables["params"], 2.0)
  jax.tree.map(np.testing.assert_array_equal, own, plain["params"])
  np.testing.assert_array_equal(
    net.apply(variables, IMAGE, train=False),
    NET.apply(plain, IMAGE, train=False),
  )


def test_is_a_product_added_to_each_kernel_and_merges_into_it():
  net, variables = adapted(layers="^block1/")
  params = flat(variables["params"])
  updated = {x.rpartition("/")[0] for x in params if x.endswith("lora_a")}
  assert (
    updated
    == {
      *(f"block1/attention/{x}" for x in ("query", "key", "value", "out")),
      *(f"block1/mlp/{x}" for x in ("dense1", "dense2")),
    }
    or updated
  )
  assert all(x.startswith("block1/") for x in updated)
  rng = np.random.default_rng(0)
  params = {
    k: jnp.asarray(rng.normal(size=x.shape), jnp.float32)
    for k, x in params.items()
  }
  expected = {k: x for k, x in params.items() if "lora" not in k}
  for layer in updated:
    kernel, b = params[f"{layer}/kernel"], params[f"{layer}/lora_b"]
    update = params[f"{layer}/lora_a"] @ b  # alpha / rank = 2
    expected[f"{layer}/kernel"] = kernel + 2 * update
  nested = traverse_util.unflatten_dict(params, sep="/")
  whole = merged(nested, 2.0)
  for path, x in flat(whole).items():
    np.testing.assert_allclose(x, expected[path], rtol=1e-5, err_msg=path)
  assert flat(whole).keys() == expected.keys()
  np.testing.assert_allclose(
    net.apply({"params": nested}, IMAGE, train=False),
    NET.apply({"params": whole}, IMAGE, train=False),
    rtol=1e-6,
  )


def test_updates_alone_are_trained():
  net, variables = adapted(layers="mlp")
  frozen = r"^(?!.*lora_[ab]$)(?!head/)"
  tx = sgd(0.1, frozen=(frozen,))

  def loss(params):
    return net.apply({"params": params}, IMAGE, train=False)[:, 0].sum()

  params = variables["params"]
  params["head"]["kernel"] = jax.random.normal(KEY, (8, 3))
  state = tx.init(params)
  before = params
  slope = jax.jit(jax.grad(loss))
  for _ in range(2):  # B moves at the first step, A at the second
    updates, state = tx.update(slope(params), state, params)
    params = optax.apply_updates(params, updates)
  old, new = flat(before), flat(params)
  for path, x in new.items():
    trained = "lora" in path or path.startswith("head/")
    same = np.array_equal(x, old[path])
    assert same != trained, path


def test_norms_keep_their_moments():
  make = ResNet(3, stages=(1, 1), bottleneck=False, width=4, stem="small")
  net = Adapted(make, frozen_norm=True)
  variables = net.init(KEY, IMAGE, train=False)
  got, new = net.apply(variables, IMAGE, train=True, mutable=["batch_stats"])
  theirs = make.clone(frozen_norm=True)
  expected = theirs.apply(variables, IMAGE, train=False)
  np.testing.assert_array_equal(got, expected)
  before = variables["batch_stats"]
  jax.tree.map(np.testing.assert_array_equal, new["batch_stats"], before)


def test_regex_without_a_layer_names_those_there_are():
  with pytest.raises(UserError, match=r"finds no linear layer of .*head"):
    adapted(layers="dense9")
