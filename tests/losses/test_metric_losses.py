"""Losses that compare examples, against loops and torch."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.oracles import library
from vision_jax.core.mapped import gather_shards, mapped
from vision_jax.losses import metric
from vision_jax.losses.metric import Embedded, unit

RNG = np.random.default_rng(0)
N = 24
VECTOR = RNG.normal(size=(N, 6)).astype(np.float32)
VECTOR /= np.linalg.norm(VECTOR, axis=1, keepdims=True)
LABEL = np.r_[RNG.integers(0, 4, N - 1), 7].astype(np.int32)  # 7 is alone
MASK = (RNG.random(N) < 0.8).astype(np.float32)
INDEX = RNG.permutation(100)[:N].astype(np.int32)
ALL = Embedded(VECTOR, LABEL, INDEX, MASK)
REAL = np.flatnonzero(MASK)
D = np.linalg.norm(VECTOR[:, None] - VECTOR[None], axis=-1).astype(np.float64)


def of(i):
  """The others of an example's class, and those of other classes."""
  others = [j for j in REAL if j != i]
  return (
    [j for j in others if LABEL[j] == LABEL[i]],
    [j for j in others if LABEL[j] != LABEL[i]],
  )


def batch_hard(margin):
  losses = []
  for i in REAL:
    positive, negative = of(i)
    if positive and negative:
      gap = D[i, positive].max() - D[i, negative].min()
      soft = np.log1p(np.exp(gap))
      losses.append(max(gap + margin, 0) if margin else soft)
  return losses


def semi_hard(margin):
  losses = []
  for i in REAL:
    positive, negative = of(i)
    for j in positive:
      near, square = D[i, j] ** 2, D[i, negative] ** 2
      farther = square[square > near]
      chosen = farther.min() if len(farther) else square.max()
      losses.append(max(near - chosen + margin, 0))
  return losses


def supervised_contrastive(temperature):
  torch = library("torch")
  logits = torch.tensor(VECTOR @ VECTOR.T / temperature, dtype=torch.float64)
  losses = []
  for i in REAL:
    positive, negative = of(i)
    if positive:
      others = torch.logsumexp(logits[i, positive + negative], 0)
      losses.append(float(-(logits[i, positive] - others).mean()))
  return losses


def prototypical(shots):
  torch = library("torch")
  members = {
    k: [j for j in REAL[np.argsort(INDEX[REAL])] if LABEL[j] == k]
    for k in np.unique(LABEL[REAL])
  }
  support = torch.tensor(
    np.stack([VECTOR[x[:shots]].mean(0) for x in members.values()])
  )
  losses = []
  for number, indices in enumerate(members.values()):
    for j in indices[shots:]:
      square = ((torch.tensor(VECTOR[j]) - support) ** 2).sum(1)
      losses.append(float(-torch.log_softmax(-square, 0)[number]))
  return losses


CASES = {
  "batch_hard": (batch_hard, {"margin": 0.3}),
  "batch_hard_soft": (batch_hard, {"margin": 0.0}),
  "semi_hard": (semi_hard, {"margin": 0.2}),
  "supervised_contrastive": (supervised_contrastive, {"temperature": 0.1}),
  "prototypical": (prototypical, {"shots": 2}),
}


@functools.cache
def under_jit():
  """Each loss of all, and its gradient by the vectors: one program."""

  def value(name, vector):
    loss = getattr(metric, name.removesuffix("_soft"))
    every = ALL._replace(vector=vector)
    return loss(every, every, **CASES[name][1])

  def both(vector):
    means = {name: value(name, vector) for name in CASES}
    by = lambda name: jax.grad(lambda x: value(name, x).total)(vector)
    return means, {name: by(name) for name in CASES}

  return jax.device_get(jax.jit(both)(VECTOR))


@pytest.mark.parametrize("name", CASES)
def test_loss_is_that_of_a_loop_over_examples(name):
  oracle, options = CASES[name]
  expected = oracle(*options.values())
  means, grads = under_jit()
  assert means[name].count == len(expected) > 5
  np.testing.assert_allclose(means[name].total, sum(expected), rtol=1e-5)
  assert np.isfinite(grads[name]).all() and np.abs(grads[name]).max() > 0
  assert (grads[name][MASK == 0] == 0).all()


def test_shards_compare_with_the_whole_batch():
  """And what they differentiate adds up to the whole batch's gradient."""

  def own(name, part):
    loss = getattr(metric, name.removesuffix("_soft"))
    return loss(part, gather_shards(part), **CASES[name][1])

  def step(part):
    with mapped("batch"):
      by = lambda name: jax.grad(
        lambda x: own(name, part._replace(vector=x)).total
      )(part.vector)
      return {name: (own(name, part), by(name)) for name in CASES}

  shards = jax.tree.map(lambda x: x.reshape(8, 3, *x.shape[1:]), ALL)
  found = jax.device_get(jax.pmap(step, axis_name="batch")(shards))
  means, grads = under_jit()
  for name, (mean, grad) in found.items():
    assert mean.count.sum() == means[name].count
    np.testing.assert_allclose(mean.total.sum(), means[name].total, rtol=1e-5)
    np.testing.assert_allclose(
      grad.reshape(VECTOR.shape), grads[name], rtol=1e-4, atol=1e-6
    )


def test_alike_images_have_finite_gradients():
  vector = jnp.ones((4, 3)) / np.sqrt(3)
  label, index = jnp.array([0, 0, 1, 1]), jnp.arange(4)

  def loss(vector):
    every = Embedded(vector, label, index, jnp.ones(4))
    return sum(
      loss(every, every).total for loss in (metric.batch_hard, metric.semi_hard)
    )

  both = lambda x: loss(x) + unit(0 * x).sum()
  assert np.isfinite(jax.jit(jax.grad(both))(vector)).all()


def test_arcface_adds_the_margin_to_the_angle():
  torch = library("torch")
  cosine = RNG.uniform(-0.85, 0.999, (20, 5)).astype(np.float32)
  label = RNG.integers(0, 5, 20)
  x = torch.tensor(cosine, requires_grad=True)
  own = torch.nn.functional.one_hot(torch.tensor(label), 5).bool()
  logits = 16 * torch.where(own, torch.cos(torch.arccos(x) + 0.5), x)
  expected = torch.nn.functional.cross_entropy(
    logits, torch.tensor(label), reduction="none"
  )
  expected.sum().backward()

  def loss(x):
    values = metric.arcface(x, label, margin=0.5, scale=16.0)
    return values.sum(), values

  grad, values = jax.jit(jax.grad(loss, has_aux=True))(cosine)
  np.testing.assert_allclose(values, expected.detach(), rtol=1e-4, atol=1e-4)
  np.testing.assert_allclose(grad, x.grad, rtol=1e-3, atol=1e-3)


def test_arcface_falls_beyond_pi_too():
  """Where cos(angle + margin) would rise again as the angle grows."""
  own = jnp.linspace(-1.0, 1.0, 201)
  cosine, label = jnp.stack([own, 0 * own], 1), np.zeros(201, int)
  loss = jax.jit(functools.partial(metric.arcface, scale=4.0))
  assert (np.diff(loss(cosine, label, margin=0.5)) < 0).all()
  plain = loss(cosine, label, margin=0.0)[0]
  np.testing.assert_allclose(plain, np.log1p(np.exp(4.0)), rtol=1e-5)
