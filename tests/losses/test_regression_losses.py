"""Losses of numbers equal torch's, and a mixture its distribution."""

import jax
import numpy as np

from tests.oracles import library
from vision_jax.losses.regression import Mixture, huber, l1, l2

RNG = np.random.default_rng(0)


def test_losses_are_torchs():
  torch = library("torch")
  found, truth = RNG.normal(size=(2, 9, 3)).astype(np.float32) * 2
  ours = jax.jit(lambda x, y: (l1(x, y), l2(x, y), huber(x, y, 0.7)))
  f = torch.nn.functional
  theirs = (
    f.l1_loss,
    f.mse_loss,
    lambda *a, **k: f.huber_loss(*a, delta=0.7, **k),
  )
  for got, loss in zip(ours(found, truth), theirs, strict=True):
    each = loss(torch.tensor(found), torch.tensor(truth), reduction="none")
    np.testing.assert_allclose(got, each.mean(-1), rtol=1e-5)


def test_a_mixture_is_torchs():
  d = library("torch.distributions")
  torch = library("torch")
  out = RNG.normal(size=(6, 3 + 2 * 3 * 2)).astype(np.float32)
  out[0, -1] = -30  # narrower than a component may be
  truth = RNG.normal(size=(6, 2)).astype(np.float32)

  @jax.jit
  def ours(out, truth):
    mixture = Mixture.of(out, 3)
    log_prob = lambda out: Mixture.of(out, 3).log_prob(truth).sum()
    return mixture.log_prob(truth), mixture.expected(), jax.grad(log_prob)(out)

  tout = torch.tensor(out, requires_grad=True)
  mean, log_sd = tout[:, 3:].reshape(6, 3, 4).split(2, -1)
  each = d.Independent(d.Normal(mean, log_sd.clamp(min=-7).exp()), 1)
  theirs = d.MixtureSameFamily(d.Categorical(logits=tout[:, :3]), each)
  log_prob = theirs.log_prob(torch.tensor(truth))
  log_prob.sum().backward()
  expected = (log_prob, theirs.mean, tout.grad)
  for got, value in zip(ours(out, truth), expected, strict=True):
    np.testing.assert_allclose(
      got, value.detach().numpy(), rtol=2e-4, atol=1e-5
    )
