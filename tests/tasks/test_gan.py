"""GANs: losses, penalties, nets, the task."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.spatial.distance

from tests.oracles import library
from tests.tables import labelled_images
from vision_jax.core.state import create_state
from vision_jax.core.step import make_train_step
from vision_jax.layers.spectral_norm import SpectralConv, SpectralDense
from vision_jax.losses.adversarial import (
  ADVERSARIAL,
  discriminator_loss,
  generator_loss,
  gradient_penalty,
  square_gradient,
)
from vision_jax.models.count import parameters
from vision_jax.models.generation.dcgan import (
  DCGANDiscriminator,
  DCGANGenerator,
)
from vision_jax.models.generation.gan import DenseDiscriminator, DenseGenerator
from vision_jax.tasks.gan import GAN


def batch_of(size=8, seed=0):
  batch = labelled_images(size, seed)
  return batch | {"image": np.tanh(batch["image"])}


def dense(classes=4, **options):
  return GAN(
    DenseGenerator((8, 8, 3), 5, (16,), classes),
    DenseDiscriminator((16,), classes),
    **options,
  )


def conv(norm="batch", classes=4, **options):
  return GAN(
    DCGANGenerator((8, 8, 3), 5, (8, 4), classes),
    DCGANDiscriminator((4, 8), classes, norm),
    **options,
  )


def densities():
  """Two known densities on a grid of points, each adding up to 1."""
  x = np.linspace(-4, 4, 200)
  p, q = np.exp(-0.5 * (x + 1) ** 2), np.exp(-np.abs(x - 0.5))
  return p / p.sum(), q / q.sum()


def value(name, logit, p, q):
  """Expected discriminator loss: real from p, generated from q."""
  zero = jnp.zeros_like(logit)
  real = discriminator_loss(name, logit, zero)
  fake = discriminator_loss(name, zero, logit)
  both = discriminator_loss(name, zero, zero)
  return jnp.sum(p * real) + jnp.sum(q * fake) - both[0]


@pytest.mark.parametrize("name", ["minimax", "non_saturating"])
def test_the_optimal_discriminator_has_the_papers_value(name):
  """V(D*) = -log 4 + 2 JSD(p, q), at D* = p / (p + q)."""
  p, q = densities()
  logit = jnp.log(p / q)
  divergence = scipy.spatial.distance.jensenshannon(p, q) ** 2
  got = -value(name, logit, p, q)
  np.testing.assert_allclose(got, 2 * divergence - np.log(4), rtol=1e-5)
  grad = jax.grad(lambda d: value(name, d, p, q))(logit)
  np.testing.assert_allclose(grad, 0, atol=1e-7)
  np.testing.assert_allclose(
    jax.nn.sigmoid(logit), p / (p + q), rtol=1e-4, atol=1e-6
  )


def test_the_other_optimal_discriminators():
  p, q = densities()
  # Least squares: D* = p / (p + q), and half of (1 - Pearson's) is left.
  best = jnp.asarray(p / (p + q))
  got = value("least_squares", best, p, q)
  np.testing.assert_allclose(got, 0.5 * np.sum(p * q / (p + q)), rtol=1e-4)
  grad = jax.grad(lambda d: value("least_squares", d, p, q))(best)
  np.testing.assert_allclose(grad, 0, atol=1e-7)
  # Hinge: D* = sign(p - q), with 2 - 2 TV(p, q).
  got = value("hinge", jnp.sign(p - q), p, q)
  np.testing.assert_allclose(got, 2 - np.abs(p - q).sum(), rtol=1e-5)
  # Wasserstein: the slope of a critic x is the difference of means.
  x = np.linspace(-4, 4, 200)
  got = value("wasserstein", jnp.asarray(x), p, q)
  np.testing.assert_allclose(got, (q * x).sum() - (p * x).sum(), rtol=1e-4)


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_losses_are_elementwise_and_pull_the_right_way(name):
  real, fake = jnp.array([0.3, -0.4]), jnp.array([0.2, 0.5])
  assert discriminator_loss(name, real, fake).shape == (2,)
  first, second = jax.grad(
    lambda r, f: discriminator_loss(name, r, f).sum(), (0, 1)
  )(real, fake)
  assert (first < 0).all() and (second > 0).all()
  grad = jax.grad(lambda f: generator_loss(name, f).sum())(fake)
  assert (grad < 0).all()


def test_penalties_of_a_linear_critic_are_exact():
  rng = np.random.default_rng(0)
  w = rng.normal(size=(2, 3, 1))
  critic = lambda x: jnp.sum(w * x, (1, 2, 3))
  real, fake = rng.normal(size=(2, 5, 2, 3, 1))
  norm = np.linalg.norm(w)
  got = square_gradient(critic, jnp.asarray(real))
  np.testing.assert_allclose(got, norm**2, rtol=1e-5)
  got = gradient_penalty(critic, real, fake, jnp.linspace(0, 1, 5))
  np.testing.assert_allclose(got, (norm - 1) ** 2, rtol=1e-4)


def test_penalties_look_where_they_should():
  critic = lambda x: 0.5 * jnp.sum(x**2, (1, 2, 3))  # its gradient is x
  real, fake = jnp.full((3, 1, 1, 1), 4.0), jnp.full((3, 1, 1, 1), 2.0)
  np.testing.assert_allclose(square_gradient(critic, real), 16, rtol=1e-6)
  got = gradient_penalty(critic, real, fake, jnp.array([0, 0.5, 1]))
  np.testing.assert_allclose(got, [1, 4, 9], rtol=1e-5)


@pytest.mark.parametrize("kind", ["dense", "conv"])
def test_spectral_norm_approaches_the_exact_one(kind):
  if kind == "dense":
    layer, x = SpectralDense(6), np.ones((2, 9), np.float32)
  else:
    layer, x = SpectralConv(6, 3), np.ones((2, 5, 5, 2), np.float32)
  variables = jax.jit(lambda: layer.init(jax.random.key(0), x, train=False))()
  run = jax.jit(
    lambda s: layer.apply(
      {**variables, "spectral": s}, x, train=True, mutable=["spectral"]
    )
  )
  state = variables["spectral"]
  for _ in range(100):
    y, new = run(state)
    state = new["spectral"]
  kernel = np.asarray(variables["params"]["kernel"])
  norm = np.linalg.svd(kernel.reshape(-1, 6))[1][0]
  fixed = {"params": {**variables["params"], "kernel": kernel / norm}}
  plain = layer.apply({**fixed, "spectral": state}, x, train=False)
  np.testing.assert_allclose(y, plain, rtol=1e-4, atol=1e-5)
  if kind == "dense":
    np.testing.assert_allclose(y, x @ (kernel / norm), rtol=1e-4, atol=1e-5)


def test_spectral_norm_is_torchs():
  torch = library("torch")
  layer, x = SpectralDense(6), np.random.default_rng(0).normal(size=(4, 9))
  x = x.astype(np.float32)
  variables = jax.jit(lambda: layer.init(jax.random.key(0), x, train=False))()
  theirs = torch.nn.utils.spectral_norm(torch.nn.Linear(9, 6, bias=False))
  kernel = np.asarray(variables["params"]["kernel"])
  theirs.weight_orig.data = torch.tensor(kernel.T.copy())
  theirs.weight_u.data = torch.tensor(np.array(variables["spectral"]["u"]))
  y, _ = layer.apply(variables, x, train=True, mutable=["spectral"])
  expected = theirs(torch.tensor(x))
  np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-4, atol=1e-5)
  grad = jax.grad(
    lambda p: layer.apply({**variables, "params": p}, x, train=False).sum()
  )(variables["params"])
  expected.sum().backward()
  np.testing.assert_allclose(
    grad["kernel"].T, theirs.weight_orig.grad.numpy(), rtol=1e-3, atol=1e-5
  )


def test_dcgan_has_the_stated_layers():
  net = DCGANGenerator((32, 32, 3), 100, (256, 128, 64))
  expected = 100 * 16 * 256 + 2 * (256 + 128 + 64)
  expected += 16 * (256 * 128 + 128 * 64 + 64 * 3) + 3
  count = lambda tree: sum(x.size for x in jax.tree.leaves(tree["params"]))
  z = jnp.zeros((1, 100))
  made = jax.eval_shape(
    lambda k: net.init(k, z, train=False), jax.random.key(0)
  )
  assert count(made) == expected
  judge = DCGANDiscriminator((64, 128, 256))
  expected = 16 * (3 * 64 + 64 * 128 + 128 * 256) + 64 + 2 * (128 + 256)
  expected += 16 * 256 + 1
  assert parameters(judge, (1, 32, 32, 3)) == expected


@functools.lru_cache
def trained(make, steps=2, **options):
  task, batch = make(**options), batch_of()
  optimizers = {net: optax.adam(1e-3) for net in ("generator", "discriminator")}
  ema = {"generator": 0.9}
  state = jax.jit(
    lambda: create_state(task, optimizers, jax.random.key(0), batch, ema=ema)
  )()
  step = jax.jit(make_train_step(task, optimizers, ema=ema))
  first = state
  for _ in range(steps):
    state, logs = step(state, batch)
  return task, first, state, logs


PENALISED = {"discriminator_steps": 2, "loss": "wasserstein", "penalty": 10.0}
LAZY = {"norm": "spectral", "loss": "hinge", "r1": 1.0, "r1_every": 2}
# Each takes seconds to compile.
CASES = [
  (dense, PENALISED | {"classes": 0}),
  (conv, {}),
  pytest.param(conv, LAZY, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("make", "options"), CASES)
def test_a_step_trains_both_nets(make, options):
  task, first, state, logs = trained(make, **options)
  assert int(state.bad_step) == -1
  for name, x in logs.items():
    assert np.isfinite(x), name
  moved = jax.tree.map(
    lambda a, b: float(np.abs(a - b).max()), first.params, state.params
  )
  for path, x in jax.tree_util.tree_leaves_with_path(moved):
    # These two see differences of logits, to which a constant is nothing.
    blind = task.loss in ("wasserstein", "hinge")
    shift = "discriminator" in str(path) and "'head'" in str(path)
    assert x > 0 or (blind and shift and "bias" in str(path)), path
  # Adam counts each net's own updates.
  counts = {
    net: int(optax.tree.get(s, "count")) for net, s in state.opt_state.items()
  }
  assert counts == {
    "generator": 2,
    "discriminator": 2 * task.discriminator_steps,
  }


def test_only_the_trained_nets_statistics_move():
  task, first, _, _ = trained(conv)
  batch, key = batch_of(), jax.random.key(0)
  changed = {}
  for objective in task.objectives:
    _, new = jax.jit(functools.partial(objective.loss, step=0, train=True))(
      first.params, first.stats, batch, key
    )
    assert jax.tree.structure(new) == jax.tree.structure(first.stats)
    changed[objective.net] = [
      net
      for net in new
      if any(
        np.any(np.asarray(a) != np.asarray(b))
        for a, b in zip(
          jax.tree.leaves(new[net]),
          jax.tree.leaves(first.stats[net]),
          strict=True,
        )
      )
    ]
  assert changed == {
    "discriminator": ["discriminator"],
    "generator": ["generator"],
  }


@pytest.mark.slow
def test_r1_is_lazy():
  task, state, _, _ = trained(conv, **LAZY)

  def r1(task, step):
    loss = task.objectives[0].loss
    batch, key = batch_of(), jax.random.key(0)
    terms, _ = loss(
      state.params, state.stats, batch, key, step=step, train=True
    )
    return terms["r1"].divide()

  always = conv(**(LAZY | {"r1_every": 1}))
  both = jax.jit(lambda step: (r1(task, step), r1(always, step)))
  (first, each), (second, _) = both(0), both(1)
  assert first > 0 and second == 0
  np.testing.assert_allclose(first, 2 * each, rtol=1e-5)


def test_a_sample_depends_on_index_label_and_key_alone():
  task, _, state, _ = trained(conv)
  batch = batch_of()
  sample = jax.jit(task.sample)
  draw = lambda b, which="ema": np.asarray(
    sample(*state.weights(which), b, jax.random.key(0))["image"]
  )
  whole = draw(batch)
  assert whole.shape == (8, 8, 8, 3) and np.abs(whole).max() <= 1
  half = {k: v[4:] for k, v in batch.items()}
  np.testing.assert_allclose(draw(half), whole[4:], atol=1e-6)
  other = batch | {"label": (batch["label"] + 1) % 4}
  assert np.abs(draw(other) - whole).max() > 1e-6
  assert np.abs(draw(batch, "raw") - whole).max() > 1e-6


@pytest.mark.parametrize("penalty", ["penalty", "r1"])
def test_batch_norm_in_a_penalised_critic_is_an_error(penalty):
  with pytest.raises(ValueError, match=r"it has BatchNorm.*'spectral' or"):
    conv(**{penalty: 1.0}).init(jax.random.key(0), batch_of())


@pytest.mark.parametrize(
  ("make", "message"),
  [
    (lambda: dense(loss="hing"), "did you mean 'hinge'"),
    (lambda: dense(r1=-1.0), "r1: got -1.0; expected >= 0"),
    (lambda: dense(discriminator_steps=0), "expected at least 1"),
    (
      lambda: GAN(
        DenseGenerator((8, 8, 3), num_classes=3), DenseDiscriminator()
      ),
      "3 of DenseGenerator and 0",
    ),
    (
      lambda: conv(norm="bach").init(jax.random.key(0), batch_of()),
      "expected one of batch, spectral, none",
    ),
    (
      lambda: dense().init(
        jax.random.key(0), {"image": np.zeros((2, 8, 8, 3))}
      ),
      "needs `label`",
    ),
  ],
)  # fmt: skip
def test_wrong_options_are_errors(make, message):
  with pytest.raises(ValueError, match=message):
    make()
