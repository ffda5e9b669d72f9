"""Optimizers against torch's and optax's, and what our options do."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest

from tests.oracles import library
from vision_jax.optim import optimizers, schedules, transforms

STEPS = 20


def make_params(seed=0):
  rng = np.random.default_rng(seed)
  normal = lambda *shape: jnp.asarray(rng.normal(size=shape), jnp.float32)
  block = lambda: {
    "query": {"kernel": normal(6, 2, 3), "bias": normal(2, 3)},
    "norm": {"scale": normal(6), "bias": normal(6)},
    "mlp": {"kernel": normal(6, 6), "bias": normal(6)},
  }
  return {
    "patch_embed": {"kernel": normal(2, 2, 3, 6), "bias": normal(6)},
    "pos_embed": normal(1, 4, 6),
    "encoder": {
      "block_0": block(),
      "block_1": block(),
      "conv": {"kernel": normal(3, 3, 6, 6)},
      "norm": {"scale": normal(6)},
    },
    "head": {"kernel": normal(6, 5), "bias": normal(5)},
  }


def gradient(params, step):
  """A gradient that depends on where the parameters are."""
  rng = np.random.default_rng(step)
  return jax.tree.map(
    lambda p: jnp.sin(p) + jnp.asarray(rng.normal(size=p.shape), jnp.float32),
    params,
  )


def descend(tx, params, steps=STEPS):
  state, update = tx.init(params), jax.jit(tx.update)
  for step in range(steps):
    updates, state = update(gradient(params, step), state, params)
    params = optax.apply_updates(params, updates)
  return params, state


def assert_close(a, b, rtol=1e-5, atol=1e-6):
  jax.tree.map(
    lambda x, y: np.testing.assert_allclose(x, y, rtol=rtol, atol=atol), a, b
  )


RATE = schedules.warmup_cosine(0.05, STEPS, warmup=4)
TORCH = {
  "sgd": (
    optimizers.sgd(RATE, 0.9, weight_decay=0.1),
    lambda optim, groups: optim.SGD(groups, 0.05, 0.9),
    0.1,
  ),
  "nesterov": (
    optimizers.sgd(RATE, 0.9, nesterov=True, weight_decay=0.1),
    lambda optim, groups: optim.SGD(groups, 0.05, 0.9, nesterov=True),
    0.1,
  ),
  "plain": (
    optimizers.sgd(RATE, 0.0),
    lambda optim, groups: optim.SGD(groups, 0.05),
    0.0,
  ),
  "adamw": (
    optimizers.adamw(RATE, weight_decay=0.2, clip=2.0),
    lambda optim, groups: optim.AdamW(groups, 0.05),
    0.2,
  ),
}


@pytest.mark.parametrize("name", TORCH)
def test_steps_are_torchs(name):
  torch = library("torch")
  tx, make, decay = TORCH[name]
  params = make_params()
  ours, _ = descend(tx, params)
  leaves, treedef = jax.tree.flatten(params)
  names = [
    path[-1].key for path, _ in jax.tree_util.tree_leaves_with_path(params)
  ]
  decays = [name in ("kernel", "pos_embed") for name in names]
  weights = [torch.nn.Parameter(torch.tensor(np.asarray(p))) for p in leaves]
  optimizer = make(
    torch.optim,
    [
      {"params": [w], "weight_decay": decay if d else 0.0}
      for w, d in zip(weights, decays, strict=True)
    ],
  )
  for step in range(STEPS):
    now = treedef.unflatten([jnp.asarray(w.detach().numpy()) for w in weights])
    grads = jax.tree.leaves(gradient(now, step))
    for w, g in zip(weights, grads, strict=True):
      w.grad = torch.tensor(np.asarray(g))
    if name == "adamw":
      torch.nn.utils.clip_grad_norm_(weights, 2.0)
    for group in optimizer.param_groups:
      group["lr"] = float(RATE(step))
    optimizer.step()
  theirs = treedef.unflatten([w.detach().numpy() for w in weights])
  assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def muon_axes(params):
  number = optax.contrib.MuonDimensionNumbers
  axes = jax.tree.map(lambda _: None, params)
  for i in range(2):
    axes["encoder"][f"block_{i}"]["query"]["kernel"] = number((0,), (1, 2))
    axes["encoder"][f"block_{i}"]["mlp"]["kernel"] = number(0, 1)
  axes["encoder"]["conv"]["kernel"] = number((0, 1, 2), (3,))
  return axes


OPTAX = {
  "lion": (
    optimizers.lion(RATE, weight_decay=0.1, no_decay=()),
    optax.lion(RATE, weight_decay=0.1),
  ),
  "lamb": (
    optimizers.lamb(RATE, weight_decay=0.1, no_decay=()),
    optax.lamb(RATE, weight_decay=0.1),
  ),
  "sgdw": (
    optimizers.sgd(RATE, weight_decay=0.1, decoupled=True, no_decay=()),
    optax.chain(
      optax.trace(0.9),
      optax.add_decayed_weights(0.1),
      optax.scale_by_learning_rate(RATE),
    ),
  ),
}


@pytest.mark.parametrize("name", OPTAX)
def test_steps_are_optaxs(name):
  ours, theirs = OPTAX[name]
  params = make_params()
  assert_close(
    descend(ours, params)[0], descend(theirs, params)[0], rtol=1e-4, atol=1e-5
  )


@pytest.mark.parametrize("consistent_rms", [None, 0.2])
def test_muon_steps_are_optaxs(consistent_rms):
  params = make_params()
  ours, _ = descend(
    optimizers.muon(
      RATE,
      consistent_rms=consistent_rms,
      weight_decay=0.1,
      adam_rate=0.5,
      no_decay=(),
    ),
    params,
  )
  axes = muon_axes(params)
  kernels, _ = descend(
    optax.contrib.muon(
      RATE,
      weight_decay=0.1,
      consistent_rms=consistent_rms,
      muon_weight_dimension_numbers=lambda _: axes,
    ),
    params,
  )
  # A leaf's gradient here depends on that leaf alone.
  # What is half as fast decays half as fast.
  half = lambda step: 0.5 * RATE(step)
  rest, _ = descend(optax.adamw(half, weight_decay=0.1), params)
  is_kernel = lambda x: isinstance(x, optax.contrib.MuonDimensionNumbers)
  want = jax.tree.map(
    lambda number, kernel, other: other if number is None else kernel,
    axes,
    kernels,
    rest,
    is_leaf=lambda x: x is None or is_kernel(x),
  )
  assert_close(ours, want, rtol=1e-4, atol=1e-5)


MAKE = {
  name: getattr(optimizers, name)
  for name in ("sgd", "adamw", "lion", "lamb", "muon")
}


@pytest.mark.parametrize("name", MAKE)
def test_state_is_arrays_and_holds_one_rate(name, tmp_path):
  params = make_params()
  tx = MAKE[name](
    RATE,
    weight_decay=0.1,
    clip=1.0,
    frozen=["patch_embed"],
    rates=transforms.layer_decay(0.5),
  )
  assert float(optax.tree.get(tx.init(params), "learning_rate")) == 0
  _, state = descend(tx, params, steps=7)
  assert float(optax.tree.get(state, "learning_rate")) == float(RATE(6))
  assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(state))
  shapes = jax.eval_shape(tx.init, params)
  assert jax.tree.structure(shapes) == jax.tree.structure(state)
  with ocp.StandardCheckpointer() as checkpointer:
    checkpointer.save(tmp_path / "state", state)
    checkpointer.wait_until_finished()
    restored = checkpointer.restore(tmp_path / "state", shapes)
  jax.tree.map(np.testing.assert_array_equal, restored, state)


@pytest.mark.parametrize("name", MAKE)
def test_what_is_frozen_stays_bitwise_and_has_no_state(name):
  params = make_params()
  params["head"]["kernel"] = params["head"]["kernel"].at[0].set(-0.0)
  frozen = [r"^head/", r"block_0/norm"]
  tx = MAKE[name](RATE, weight_decay=0.1, frozen=frozen)
  new, state = descend(tx, params)
  bits = lambda x: np.asarray(x).view(np.uint32)
  for path in (("head",), ("encoder", "block_0", "norm")):
    old_part, new_part = params, new
    for key in path:
      old_part, new_part = old_part[key], new_part[key]
    jax.tree.map(
      lambda a, b: np.testing.assert_array_equal(bits(a), bits(b)),
      old_part,
      new_part,
    )
  assert not np.array_equal(new["pos_embed"], params["pos_embed"])
  shapes = {leaf.shape for leaf in jax.tree.leaves(state)}
  assert (6, 5) not in shapes
  assert (5,) not in shapes


def test_frozen_gradients_do_not_reach_the_clipping():
  params = {"a": jnp.ones(3), "b": jnp.ones(3)}
  tx = optimizers.sgd(1.0, 0.0, clip=1.0, frozen=["^b$"])
  grads = {"a": jnp.asarray([0.3, 0.0, 0.4]), "b": jnp.full(3, jnp.nan)}
  updates, _ = tx.update(grads, tx.init(params), params)
  np.testing.assert_allclose(updates["a"], [-0.3, 0.0, -0.4], rtol=1e-6)


def test_clipping_bounds_the_global_norm():
  params = make_params()
  tx = optimizers.sgd(1.0, 0.0, clip=0.5)
  updates, _ = tx.update(gradient(params, 0), tx.init(params), params)
  assert float(optax.tree.norm(updates)) == pytest.approx(0.5, rel=1e-5)


@pytest.mark.parametrize(
  ("no_decay", "still"),
  [
    (None, {"bias", "scale"}),
    ((), set()),
    (("kernel$",), {"kernel"}),
  ],
)
def test_what_decays(no_decay, still):
  params = make_params()
  tx = optimizers.sgd(1.0, 0.0, weight_decay=0.25, no_decay=no_decay)
  zeros = jax.tree.map(jnp.zeros_like, params)
  updates, _ = tx.update(zeros, tx.init(params), params)
  flat = jax.tree_util.tree_flatten_with_path(updates)[0]
  for (keys, update), value in zip(flat, jax.tree.leaves(params), strict=True):
    factor = 0.0 if keys[-1].key in still else -0.25
    np.testing.assert_allclose(update, factor * value, rtol=1e-6)


def test_rates_multiply_the_first_match():
  params = make_params()
  rates = {r"^head/kernel$": 4.0, r"^head/": 0.5}
  tx = optimizers.sgd(1.0, 0.0, rates=rates)
  ones = jax.tree.map(jnp.ones_like, params)
  updates, _ = tx.update(ones, tx.init(params), params)
  assert np.all(updates["head"]["kernel"] == -4.0)
  assert np.all(updates["head"]["bias"] == -0.5)
  assert np.all(updates["pos_embed"] == -1.0)


def test_layer_decay_is_by_depth_and_counts_frozen_layers():
  params = make_params()
  tx = optimizers.sgd(
    1.0, 0.0, rates=transforms.layer_decay(0.5), frozen=["block_1", "conv"]
  )
  ones = jax.tree.map(jnp.ones_like, params)
  updates, _ = tx.update(ones, tx.init(params), params)
  first = lambda tree: float(jnp.ravel(jax.tree.leaves(tree)[0])[0])
  assert first(updates["patch_embed"]) == -0.125
  assert first(updates["pos_embed"]) == -0.125
  assert first(updates["encoder"]["block_0"]) == -0.25
  assert first(updates["encoder"]["block_1"]) == 0.0
  assert first(updates["encoder"]["norm"]) == -1.0
  assert first(updates["head"]) == -1.0


@pytest.mark.parametrize(
  ("options", "message"),
  [
    ({"frozen": ["^hed/"]}, r"frozen: .*'\^hed/'.*nearest path is 'head/"),
    ({"frozen": ["."]}, "match every parameter"),
    ({"frozen": ["("]}, "not a regular expression"),
    ({"rates": {"encodr/norm": 2.0}}, "rates: .*nearest.*'encoder/norm/scale'"),
    ({"rates": {"head": 0.0}}, "got 0.0 for 'head/bias'"),
    ({"no_decay": ["pos_embd"]}, "no_decay: .*nearest path is 'pos_embed'"),
    (
      {"rates": transforms.layer_decay(0.5, block=r"layer_(\d+)")},
      "layer_decay: .*nearest path",
    ),
  ],
)
@pytest.mark.parametrize("name", MAKE)
def test_a_pattern_without_a_parameter_is_named(name, options, message):
  tx = MAKE[name](0.1, **options)
  with pytest.raises(ValueError, match=message):
    tx.init(make_params())


@pytest.mark.parametrize(
  ("make", "message"),
  [
    (lambda: optimizers.sgd(0.1, 0.0, nesterov=True), "needs a momentum"),
    (lambda: optimizers.sgd(0.1, weight_decay=-1), "weight_decay: got -1"),
    (lambda: optimizers.adamw(0.1, clip=0.0), "clip: got 0.0"),
    (lambda: transforms.layer_decay(1.5), "layer_decay: got 1.5"),
  ],
)
def test_bad_numbers_are_named(make, message):
  with pytest.raises(ValueError, match=message):
    make()


def test_muon_says_which_kernel_pattern_is_wrong():
  with pytest.raises(ValueError, match=r"adam_only: .*nearest"):
    optimizers.muon(0.1, adam_only=["haed"]).init(make_params())
