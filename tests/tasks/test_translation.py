"""Translation: losses beside torch's, weights, what is trained, any size."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.oracles import library
from vision_jax.errors import UserError
from vision_jax.models.translation.patch_gan import PatchGAN
from vision_jax.models.translation.unet import TranslationUNet
from vision_jax.tasks.cycle import CycleTranslation, with_earlier
from vision_jax.tasks.translation import PairedTranslation

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)
MASK = np.array([1, 1, 0], np.float32)


class Tint(nn.Module):
  """A generator of one number: pixels times it."""

  multiple = 4

  @nn.compact
  def __call__(self, x, *, train, mask=None):
    assert not (x.shape[1] % 4 or x.shape[2] % 4)
    return jnp.tanh(x * self.param("tint", nn.initializers.constant(0.7), ()))


class Judge(nn.Module):
  """A discriminator whose logits are the channels' means, times a number."""

  @nn.compact
  def __call__(self, x, *, train, mask=None):
    return x.mean(-1) * self.param("by", nn.initializers.constant(1.5), ())


def images(*shape):
  return RNG.uniform(size=shape).astype(np.float32)


PAIR = {
  "image": images(3, 4, 8, 3),
  "wanted": images(3, 4, 8, 3),
  "mask": MASK,
  "index": np.arange(3, dtype=np.int32),
}
KINDS = {
  **{f"{side}/image": images(3, 4, 8, 3) for side in "ab"},
  **{f"{side}/mask": np.ones(3, np.float32) for side in "ab"},
  **{k: PAIR[k] for k in ("mask", "index")},
}


def terms(task, batch, number, train=False):
  """(the terms, their weights, new statistics, old ones) of an objective."""
  params, stats = task.init(KEY, batch)
  one = task.objectives[number]
  found, new = one.loss(params, stats, batch, KEY, step=0, train=train)
  found = {name: float(x.divide()) for name, x in found.items()}
  return found, one.weights, new, stats


def numbers(x):
  """Pixels in [-1, 1] of the examples that count, for torch."""
  torch = library("torch")
  return torch.tensor(2 * x[MASK > 0] - 1, dtype=torch.float64)


def tinted(x):
  return (x * 0.7).tanh()


def torch_losses(kind):
  """What a discriminator and a generator descend in the authors' programs."""
  torch = library("torch")
  f = torch.nn.functional
  loss = f.mse_loss
  if kind == "non_saturating":
    loss = f.binary_cross_entropy_with_logits
  is_real = lambda x: loss(x, torch.ones_like(x))
  is_fake = lambda x: loss(x, torch.zeros_like(x))
  return lambda real, fake: (is_real(real) + is_fake(fake)) * 0.5, is_real


@pytest.mark.parametrize("kind", ["non_saturating", "least_squares"])
def test_pix2pix_descends_what_torch_computes(kind):
  torch = library("torch")
  task = PairedTranslation(Tint(), Judge(), kind)
  image, wanted = numbers(PAIR["image"]), numbers(PAIR["wanted"])
  drawn = tinted(image)
  logit = lambda x: 1.5 * torch.cat([image, x], -1).mean(-1)
  judged, fools = torch_losses(kind)
  found, weights, _, _ = terms(task, PAIR, 0)
  total = sum(w * found[k] for k, w in weights.items())
  assert total == pytest.approx(float(judged(logit(wanted), logit(drawn))))
  assert found["fake"] == pytest.approx(float(logit(drawn).mean()))
  found, weights, _, _ = terms(task, PAIR, 1)
  total = sum(w * found[k] for k, w in weights.items())
  l1 = torch.nn.functional.l1_loss(drawn, wanted)
  assert total == pytest.approx(float(fools(logit(drawn)) + 100 * l1))


def test_without_a_discriminator_pixels_alone_are_learned():
  task = PairedTranslation(Tint(), Judge(), adversarial=0.0)
  (one,) = task.objectives
  assert (one.net, dict(one.weights)) == ("generator", {"pixels": 100.0})
  params, _ = task.init(KEY, PAIR)
  assert set(params) == {"generator"}
  found, *_ = terms(task, PAIR, 0)
  assert set(found) == {"pixels"}


@pytest.mark.parametrize("kind", ["least_squares", "non_saturating"])
def test_a_cycle_descends_what_torch_computes(kind):
  torch = library("torch")
  l1 = torch.nn.functional.l1_loss
  task = CycleTranslation(Tint(), Judge(), kind)
  real = {side: numbers(KINDS[f"{side}/image"]) for side in "ab"}
  logit = lambda x: 1.5 * x.mean(-1)
  judged, fools = torch_losses(kind)
  expected = {"generator": 0.0, "discriminator": 0.0}
  for side, other in ("ab", "ba"):
    fake = tinted(real[other])
    expected["generator"] += fools(logit(fake))
    expected["generator"] += 10 * l1(tinted(fake), real[other])
    expected["generator"] += 10 * 0.5 * l1(tinted(real[side]), real[side])
    expected["discriminator"] += judged(logit(real[side]), logit(fake))
  for number, net in enumerate(expected):
    assert task.objectives[number].net == net
    found, weights, _, _ = terms(task, KINDS, number)
    total = sum(w * found[k] for k, w in weights.items())
    assert total == pytest.approx(float(expected[net])), net


def test_an_evaluation_moves_nothing_and_a_step_what_is_its_own():
  task = CycleTranslation(Tint(), Judge(), pool=4)
  _, _, new, old = terms(task, KINDS, 1)
  jax.tree.map(np.testing.assert_array_equal, new, old)
  _, _, new, old = terms(task, KINDS, 1, train=True)
  rows = new["discriminator"]["pool_b"]["there"]
  np.testing.assert_array_equal(rows.values, MASK)
  assert new["generator"] is old["generator"]


def test_half_of_the_images_are_earlier_ones_where_there_are_some():
  draw = jax.random.uniform(jax.random.key(0), (400, 2))
  pool = {"image": jnp.zeros((4, 1, 1, 1)), "there": jnp.array([0, 0, 1, 1])}
  pool["image"] = pool["image"].at[2:].set(2.0)
  shown = with_earlier(jnp.ones((400, 1, 1, 1)), pool, draw)
  assert {*np.unique(shown)} == {1.0, 2.0}
  assert np.mean(shown == 2) == pytest.approx(1 / 4, abs=0.06)


def test_images_of_any_size_are_translated():
  image = jnp.asarray(images(2, 5, 7, 3))
  for task, batch in (
    (PairedTranslation(Tint(), Judge()), PAIR),
    (CycleTranslation(Tint(), Judge(), direction="ba"), KINDS),
  ):
    params, stats = task.init(KEY, batch)
    out = task.predict(params, stats, {"image": image}, None)["translated"]
    expected = (np.tanh(0.7 * (2 * image - 1)) + 1) / 2
    np.testing.assert_allclose(out, expected, atol=1e-6)
  both = task.both(params, stats, KINDS, None)
  again = task.predict(params, stats, KINDS, None)["translated"]
  np.testing.assert_array_equal(both["a"], again)
  assert both["b"].shape == KINDS["a/image"].shape


def test_what_does_not_fit_is_named():
  with pytest.raises(UserError, match="l1: got -1; expected 0 or more"):
    PairedTranslation(Tint(), Judge(), l1=-1)
  with pytest.raises(ValueError, match="loss: got 'lsgan'"):
    PairedTranslation(Tint(), Judge(), "lsgan")
  with pytest.raises(ValueError, match="direction: got 'a'"):
    CycleTranslation(Tint(), Judge(), direction="a")
  task = PairedTranslation(TranslationUNet(1, 4, 2), PatchGAN(4, 1))
  larger = PAIR | {name: images(3, 8, 8, 3) for name in ("image", "wanted")}
  params, stats = jax.eval_shape(lambda: task.init(KEY, larger))
  loss = task.objectives[1].loss
  with pytest.raises(UserError, match="Check its channels"):
    jax.eval_shape(
      lambda *x: loss(*x, larger, KEY, step=0, train=True)[0], params, stats
    )
