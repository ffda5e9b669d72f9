"""BatchNorm: torch's numbers, masks, and eight devices against one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from tests.oracles import library
from vision_jax.core.execution import Jit
from vision_jax.core.mapped import mapped
from vision_jax.core.norm_group import grouped_norms
from vision_jax.errors import UserError
from vision_jax.layers.group_norm import GroupNorm
from vision_jax.layers.norm import BatchNorm, LayerNorm

MASKS = {
  "full": np.ones(16),
  "ragged": np.r_[np.ones(5), np.zeros(3), 1, 0, 1, 1, 0, 1, 0, 1],
  "a shard of padding": np.r_[np.ones(4), np.zeros(6), np.ones(6)],
}


def make_input(shape=(16, 5, 4, 3), seed=0):
  rng = np.random.default_rng(seed)
  scale = rng.uniform(0.5, 3, shape[-1])
  return (rng.normal(size=shape) * scale + 2).astype(np.float32)


def make_variables(d=3, seed=1):
  rng = np.random.default_rng(seed)
  draw = lambda: jnp.asarray(rng.uniform(0.5, 2, d), jnp.float32)
  return {
    "params": {"scale": draw(), "bias": draw()},
    "batch_stats": {"mean": draw(), "var": draw()},
  }


def run(variables, x, weight, mask=None, *, train=True, axis=None):
  """Returns outputs, new stats, and the gradient of sum(weight * y)."""

  def loss(params, x):
    with mapped(axis):
      y, new = BatchNorm().apply(
        {**variables, "params": params},
        x,
        train=train,
        mask=mask,
        mutable=["batch_stats"],
      )
    y = y if mask is None else y * mask[:, None, None, None]
    return jnp.sum(weight * y), (y, new.get("batch_stats", {}))

  (_, (y, stats)), grads = jax.value_and_grad(loss, (0, 1), has_aux=True)(
    variables["params"], x
  )
  return y, stats, grads


def close(a, b, tolerance=2e-5):
  jax.tree.map(
    lambda p, q: np.testing.assert_allclose(
      np.asarray(p), np.asarray(q), rtol=tolerance, atol=tolerance
    ),
    a,
    b,
  )


@pytest.mark.parametrize("train", [True, False])
def test_equals_torch(train):
  torch = library("torch")
  x, variables = make_input(), make_variables()
  weight = np.random.default_rng(2).normal(size=x.shape).astype(np.float32)
  y, stats, (grads, dx) = run(variables, x, weight, train=train)

  def nchw(a):
    return torch.tensor(np.asarray(a).transpose(0, 3, 1, 2).copy())

  layer = torch.nn.BatchNorm2d(3).train(train)
  params, running = variables["params"], variables["batch_stats"]
  for tensor, value in (
    (layer.weight, params["scale"]),
    (layer.bias, params["bias"]),
    (layer.running_mean, running["mean"]),
    (layer.running_var, running["var"]),
  ):
    tensor.data = torch.tensor(np.asarray(value))
  tx = nchw(x).requires_grad_()
  ty = layer(tx)
  (ty * nchw(weight)).sum().backward()
  nhwc = lambda a: a.detach().numpy().transpose(0, 2, 3, 1)
  close(y, nhwc(ty))
  close(dx, nhwc(tx.grad), 1e-4)
  close(grads["scale"], layer.weight.grad.numpy(), 1e-4)
  close(grads["bias"], layer.bias.grad.numpy(), 1e-4)
  if train:
    n = x.size // 3
    biased = x.var(axis=(0, 1, 2))
    close(stats["mean"], layer.running_mean.numpy())
    # torch's running variance is the unbiased one.
    unbiased = stats["var"] + 0.1 * biased * (n / (n - 1) - 1)
    close(unbiased, layer.running_var.numpy())


@pytest.mark.parametrize("mask", list(MASKS.values()), ids=list(MASKS))
def test_masked_equals_the_unmasked_subset(mask):
  x, variables = make_input(), make_variables()
  weight = np.random.default_rng(2).normal(size=x.shape).astype(np.float32)
  mask = mask.astype(np.float32)
  kept = mask > 0
  y, stats, (grads, dx) = run(variables, x, weight, mask)
  y2, stats2, (grads2, dx2) = run(variables, x[kept], weight[kept])
  close((y[kept], dx[kept]), (y2, dx2), 1e-4)
  close((stats, grads), (stats2, grads2), 1e-4)
  assert not np.any(np.asarray(dx)[~kept])


@pytest.mark.parametrize("mask", list(MASKS.values()), ids=list(MASKS))
@pytest.mark.parametrize("how", ["pmap", "shard_map", "jit"])
def test_eight_devices_equal_one(mask, how):
  x, variables = make_input(), make_variables()
  weight = np.random.default_rng(2).normal(size=x.shape).astype(np.float32)
  mask = mask.astype(np.float32)
  expected = run(variables, x, weight, mask)

  def shard(variables, x, weight, mask):
    y, stats, (grads, dx) = run(variables, x, weight, mask, axis="data")
    return y, stats, (jax.lax.psum(grads, "data"), dx)

  mesh = jax.make_mesh((8,), ("data",), (AxisType.Auto,))
  rows, whole = PartitionSpec("data"), PartitionSpec()
  if how == "pmap":
    split = lambda a: a.reshape(8, 2, *a.shape[1:])
    fn = jax.pmap(shard, "data", in_axes=(None, 0, 0, 0))
    y, stats, (grads, dx) = fn(variables, *map(split, (x, weight, mask)))
    join = lambda a: a.reshape(16, *a.shape[2:])
    y, dx = join(y), join(dx)
    stats, grads = jax.tree.map(lambda a: a[0], (stats, grads))
  elif how == "shard_map":
    fn = jax.shard_map(
      shard,
      mesh=mesh,
      in_specs=(whole, rows, rows, rows),
      out_specs=(rows, whole, (whole, rows)),
      check_vma=False,
    )
    y, stats, (grads, dx) = jax.jit(fn)(variables, x, weight, mask)
  else:
    put = lambda a: jax.device_put(a, NamedSharding(mesh, rows))
    y, stats, (grads, dx) = jax.jit(run)(
      variables, *map(put, (x, weight, mask))
    )
  close((y, stats, (grads, dx)), expected, 1e-4)


def test_a_batch_of_padding_changes_nothing():
  x, variables = make_input(), make_variables()
  zeros = np.zeros(16, np.float32)
  y, stats, grads = run(variables, x, np.ones_like(x), zeros)
  close(stats, variables["batch_stats"], 0)
  for leaf in jax.tree.leaves((y, grads)):
    assert np.all(np.isfinite(leaf))


def test_statistics_are_float32_in_bfloat16():
  x = jnp.asarray(make_input(), jnp.bfloat16)
  layer = BatchNorm(dtype=jnp.bfloat16)
  y, variables = layer.init_with_output(jax.random.key(0), x, train=True)
  assert y.dtype == jnp.bfloat16
  assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {
    jnp.dtype("float32")
  }


@pytest.mark.parametrize("how", ["one", "masked", "pmap"])
def test_a_large_mean_costs_no_variance(how):
  """Mean 1000, deviation 1: within 1 % from the first step, as in torch."""
  rng = np.random.default_rng(0)
  x = (1000 + rng.normal(size=(16, 8, 8, 3))).astype(np.float32)
  mask = MASKS["a shard of padding" if how == "pmap" else "ragged"]
  mask = np.ones(16) if how == "one" else mask
  x[mask == 0] = np.nan  # what does not count is not looked at
  kept = x[mask > 0].astype(np.float64)
  mean, var = kept.mean((0, 1, 2)), kept.var((0, 1, 2))
  layer = BatchNorm(momentum=0.0)
  variables = layer.init(jax.random.key(0), x, train=True)

  @mapped("data" if how == "pmap" else None)
  def apply(x, mask):
    return layer.apply(
      variables, x, train=True, mask=mask, mutable=["batch_stats"]
    )

  if how == "pmap":
    split = lambda a: a.reshape(8, 2, *a.shape[1:])
    y, new = jax.pmap(apply, "data")(split(x), split(mask))
    y, new = y.reshape(x.shape), jax.tree.map(lambda a: a[0], new)
  else:
    y, new = jax.jit(apply)(x, None if how == "one" else mask)
  np.testing.assert_allclose(new["batch_stats"]["mean"], mean, rtol=1e-6)
  np.testing.assert_allclose(new["batch_stats"]["var"], var, rtol=1e-3)
  wanted = (kept - mean) / np.sqrt(var + 1e-5)
  np.testing.assert_allclose(y[mask > 0], wanted, atol=1e-3)


@pytest.mark.parametrize("layer", [GroupNorm(2), LayerNorm()])
def test_other_norms_of_a_large_mean_are_those_of_float64(layer):
  rng = np.random.default_rng(0)
  x = (1000 + rng.normal(size=(2, 8, 8, 32))).astype(np.float32)
  y = layer.apply(layer.init(jax.random.key(0), x), x)
  exact = x.astype(np.float64)
  axes = -1
  if isinstance(layer, GroupNorm):
    exact, axes = exact.reshape(2, 64, 2, 16), (1, 3)
  centred = exact - exact.mean(axes, keepdims=True)
  wanted = centred / np.sqrt(exact.var(axes, keepdims=True) + 1e-6)
  np.testing.assert_allclose(y, wanted.reshape(x.shape), atol=1e-3)


@pytest.mark.parametrize("how", ["one", "pmap", "jit"])
def test_statistics_of_a_group(how):
  """Each group is normalised as if it were the batch, wherever it is."""
  x, variables = make_input(), make_variables()
  weight = np.random.default_rng(2).normal(size=x.shape).astype(np.float32)
  mask = MASKS["a shard of padding"].astype(np.float32)
  parts = [slice(i, i + 2) for i in range(0, 16, 2)]
  each = [run(variables, x[p], weight[p], mask[p]) for p in parts]

  def grouped(variables, x, weight, mask, axis=None):
    with grouped_norms(2):
      return run(variables, x, weight, mask, axis=axis)

  if how == "pmap":
    split = lambda a: a.reshape(8, 2, *a.shape[1:])
    fn = lambda *args: grouped(*args, axis="data")
    fn = jax.pmap(fn, "data", in_axes=(None, 0, 0, 0))
    y, stats, (_, dx) = fn(variables, *map(split, (x, weight, mask)))
    y, dx = y.reshape(x.shape), dx.reshape(x.shape)
    stats = jax.tree.map(lambda a: a[0], stats)
  elif how == "jit":
    execution = Jit()
    rows = execution.put({"x": x, "weight": weight, "mask": mask})
    step = lambda v, s, m, batch, key: grouped(v, **batch)
    fn = execution.eval_step(step)
    y, stats, (_, dx) = fn(variables, (), (), rows, ())
  else:
    y, stats, (_, dx) = grouped(variables, x, weight, mask)
  for p, (part_y, _, (_, part_dx)) in zip(parts, each, strict=True):
    close((y[p], dx[p]), (part_y, part_dx), 1e-4)
  counts = mask.reshape(8, 2).sum(1)
  average = lambda *leaves: np.average(leaves, axis=0, weights=counts)
  # A group of padding leaves its moments where they were, and counts nothing.
  expected = jax.tree.map(average, *[stats for _, stats, _ in each])
  close(stats, expected, 1e-4)


@pytest.mark.parametrize(
  ("size", "message"),
  [(3, "got 3 .* of 16 examples on 1 device"), (-1, "got -1; expected")],
)
def test_a_group_that_does_not_fit_is_an_error(size, message):
  x = make_input()
  with pytest.raises(UserError, match=message), grouped_norms(size):
    run(make_variables(), x, np.ones_like(x))


def test_a_group_of_several_devices_is_an_error():
  x, execution = make_input(), Jit()
  rows = execution.put({"x": x, "mask": np.ones(16, np.float32)})
  step = lambda v, s, m, batch, key: run(v, batch["x"], 1.0, batch["mask"])
  with (
    grouped_norms(4),
    pytest.raises(UserError, match="16 examples on 8 device"),
  ):
    execution.eval_step(step)(make_variables(), (), (), rows, ())


def test_each_images_own_moments_are_those_of_a_batch_of_it_alone():
  x, variables = make_input((3, 5, 4, 3)), make_variables()
  got = BatchNorm(per_image=True).apply(variables, x, train=False)
  for i in range(3):
    expected, _ = BatchNorm().apply(
      variables, x[i : i + 1], train=True, mutable=["batch_stats"]
    )
    np.testing.assert_allclose(got[i], expected[0], rtol=1e-5, atol=1e-5)
  running = BatchNorm().apply(variables, x, train=False)
  assert np.abs(np.asarray(got - running)).max() > 0.1
