"""Conditions other than a class: tokens, images, what a net makes of them."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vision_jax.errors import UserError
from vision_jax.models.generation.ddpm_unet import DDPMUNet
from vision_jax.models.generation.gan import DenseGenerator
from vision_jax.ops import diffusion
from vision_jax.tasks.condition_images import ImageCondition
from vision_jax.tasks.condition_tokens import TokenCondition, Words
from vision_jax.tasks.conditions import (
  ClassCondition,
  Encoded,
  Unconditional,
  dropped,
)
from vision_jax.tasks.diffusion import Diffusion
from vision_jax.tasks.gan import GAN
from vision_jax.tasks.vae import VariationalAutoencoding

TEXT = TokenCondition(2, Words(("zero", "one", "two")))
KEYS = jax.random.split(jax.random.key(0), 400)
UNET = DDPMUNet(
  width=8, multipliers=(1,), blocks=1, attention=(), groups=4, dropout=0.0
)
BATCH = {
  "image": np.linspace(-1, 1, 4 * 4 * 4, dtype=np.float32).reshape(4, 4, 4, 1),
  "low": np.ones((4, 4, 4, 2), np.float32),
  "tokens": np.array([[1, 0], [2, 3], [3, 0], [1, 1]], np.int32),
  "index": np.arange(4, dtype=np.int32),
  "mask": np.ones(4, np.float32),
}


class Reader(nn.Module):
  """A vector of a text."""

  @nn.compact
  def __call__(self, tokens, *, train):
    return nn.Embed(4, 3, name="words")(tokens).mean(1)


def filled(shapes):
  """Parameters of those shapes, none of them zero."""
  rng = np.random.default_rng(0)
  fill = lambda x: jnp.asarray(rng.normal(size=x.shape) * 0.3, x.dtype)
  return jax.tree.map(fill, shapes)


def started(task, batch=BATCH):
  params, stats = jax.eval_shape(task.init, jax.random.key(0), batch)
  return filled(params), stats


@pytest.mark.parametrize(
  ("condition", "key"),
  [
    (TEXT, "tokens"),
    (ImageCondition("low"), "low"),
    (ClassCondition(4), "label"),
  ],
)
def test_some_examples_are_trained_without_their_condition(condition, key):
  given = np.ones((400, *BATCH.get(key, np.zeros(4)).shape[1:]), np.int32)
  got = np.asarray(dropped(condition, given, KEYS, 0.3)).reshape(400, -1)
  null = np.asarray(condition.null(given)).reshape(400, -1)
  gone = (got == null).all(1)
  assert 0.23 < gone.mean() < 0.37 and (got[~gone] == 1).all()


def test_nothing_is_dropped_of_an_unconditional_model():
  assert dropped(Unconditional(), None, KEYS, 0.3) is None


@pytest.mark.parametrize(
  ("condition", "name", "shape"),
  [
    (Encoded(TEXT, Reader()), "condition", (3, 32)),
    (ImageCondition("low"), "conv_in", (3, 3, 3, 8)),
    (None, "conv_in", (3, 3, 1, 8)),
  ],
)
def test_the_unet_takes_a_vector_or_an_image(condition, name, shape):
  task = Diffusion(UNET, diffusion.cosine(5), condition=condition)
  params, _ = jax.eval_shape(task.init, jax.random.key(0), BATCH)
  assert params["model"][name]["kernel"].shape == shape
  assert ("encoder" in params) == (name == "condition")


def test_the_unet_refuses_a_smaller_image():
  task = Diffusion(UNET, diffusion.cosine(5), condition=ImageCondition("low"))
  small = BATCH | {"low": BATCH["low"][:, :2, :2]}
  with pytest.raises(UserError, match=r"condition: got shape \(4, 2, 2, 2\)"):
    jax.eval_shape(task.init, jax.random.key(0), small)


@pytest.mark.parametrize(
  "condition", [Encoded(TEXT, Reader()), ImageCondition("low")]
)
def test_guidance_extrapolates_from_the_null_of_any_condition(condition):
  task = Diffusion(
    UNET, diffusion.cosine(5), "x0", condition=condition, clip=False
  )
  params, stats = started(task)
  given = condition.given(BATCH)
  x, t = BATCH["image"], jnp.full(4, 2)

  @jax.jit
  def run(given, null):
    one = lambda y, g: task.denoiser(params, stats, y, guidance=g)(x, t).x0
    return one(given, 1.0), one(null, 1.0), one(given, 2.5)

  with_it, free, guided = run(given, condition.null(given))
  assert np.abs(with_it - free).max() > 0.01
  expected = free + 2.5 * (with_it - free)
  np.testing.assert_allclose(guided, expected, rtol=1e-3, atol=1e-4)


class Drawer(nn.Module):
  """Both nets of a GAN, and those of a VAE, that are given a vector."""

  latent: int = 2

  @nn.compact
  def decode(self, z, given):
    out = nn.Dense(16)(jnp.concatenate([z, given], -1))
    return out.reshape(-1, 4, 4, 1)

  @nn.compact
  def encode(self, x, given):
    out = nn.Dense(4)(jnp.concatenate([x.reshape(len(x), -1), given], -1))
    return out[:, :2], out[:, 2:]


class Generator(nn.Module):
  latent: int = 2

  @nn.compact
  def __call__(self, z, given, *, train, mask=None):
    return Drawer(name="net").decode(z, given)


class Judge(nn.Module):
  @nn.compact
  def __call__(self, x, given, *, train, mask=None):
    return Drawer(name="net").encode(x, given)[0][:, 0]


class Codec(nn.Module):
  latent: int = 2

  def setup(self):
    self.one, self.other = Drawer(), Drawer()

  def __call__(self, x, given, *, train=False):
    return self.decode(self.encode(x, given)[0], given)

  def encode(self, x, given):
    return self.one.encode(x, given)

  def decode(self, z, given):
    return self.other.decode(z, given)


@pytest.mark.parametrize(
  "make",
  [
    lambda condition: GAN(Generator(), Judge(), condition=condition),
    lambda condition: VariationalAutoencoding(Codec(), condition=condition),
  ],
  ids=["gan", "vae"],
)
def test_other_generators_take_conditions_too(make):
  task = make(Encoded(TEXT, Reader()))
  params, stats = started(task)

  @jax.jit
  def run(batch):
    key = jax.random.key(0)
    terms = [
      objective.loss(params, stats, batch, key, step=0, train=True)[0]
      for objective in task.objectives
    ]
    return terms, task.sample(params, stats, batch, key)["image"]

  batch = BATCH | {"image": np.abs(BATCH["image"])}
  terms, image = run(batch)
  others, other = run(batch | {"tokens": BATCH["tokens"][::-1]})
  assert np.abs(image - other).max() > 1e-3
  assert jax.tree.leaves(terms) != jax.tree.leaves(others)


def test_tokens_without_words_are_numbers():
  tokens = TokenCondition(3)
  asked = tokens.ask(3, {"prompt": "3,1|"}, row=2)["tokens"]
  np.testing.assert_array_equal(asked, [[3, 1, 0], [3, 1, 0], [0, 0, 0]])
  with pytest.raises(UserError, match=r"got 'three'; expected numbers"):
    tokens.ask(1, {"prompt": "three"})


def test_images_are_asked_for_by_a_file(tmp_path):
  path, condition = tmp_path / "low.npy", ImageCondition("low")
  np.save(path, BATCH["low"] * np.arange(4)[:, None, None, None])
  asked = condition.ask(5, {"low": str(path)})["low"]
  assert asked.dtype == np.float32
  np.testing.assert_array_equal(asked[:, 0, 0, 0], [0, 1, 2, 3, 0])
  with pytest.raises(UserError, match=r"--sample\.low is missing"):
    condition.ask(1, {})
  with pytest.raises(UserError, match=r"--sample\.low: .* cannot be read"):
    condition.ask(1, {"low": str(tmp_path / "gone.npy")})
  np.save(path, np.zeros((4, 4)))
  with pytest.raises(UserError, match=r"got \(4, 4\) in .*\(n, h, w, c\)"):
    condition.ask(1, {"low": str(path)})


@pytest.mark.parametrize(
  ("make", "message"),
  [
    (
      lambda: Diffusion(
        UNET.clone(num_classes=4), diffusion.cosine(5), condition=TEXT
      ),
      "a net with num_classes=4; expected ClassCondition",
    ),
    (
      lambda: GAN(DenseGenerator((4, 4, 1), num_classes=2), Judge()),
      "2 of DenseGenerator and 0 of Judge",
    ),
    (lambda: TEXT.given({"image": 1}), "model needs `tokens`"),
    (lambda: TEXT.given({"tokens": np.ones((2, 3))}), r"expected \(b, 2\)"),
    (lambda: ImageCondition("low").given({}), "model needs `low`"),
    (
      lambda: Diffusion(UNET, diffusion.cosine(5)).check_guidance(2.0),
      "unconditional model",
    ),
    (
      lambda: Diffusion(
        UNET, diffusion.cosine(5), condition=TEXT, drop_label=0.0
      ).check_guidance(2.0),
      "without its condition",
    ),
  ],
)
def test_what_does_not_fit_is_an_error(make, message):
  with pytest.raises(UserError, match=message):
    make()
