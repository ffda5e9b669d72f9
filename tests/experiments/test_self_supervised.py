"""Learning without labels: one result everywhere, resumed; and collapse."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests.experiments.everywhere import (
  assert_equal_everywhere,
  assert_resumes,
  digits,
  train,
)
from vision_jax.core.state import Following
from vision_jax.data.loader import Loader
from vision_jax.data.sources.digits import Digits
from vision_jax.data.subsets import subset
from vision_jax.errors import UserError
from vision_jax.experiment import Eval
from vision_jax.metrics.spread import Spread
from vision_jax.models.backbones.mlp import MLP
from vision_jax.models.backbones.vit import ViT
from vision_jax.models.embedding import WithProjection, WithPrototypes
from vision_jax.models.masked_autoencoder import MaskedAutoencoder
from vision_jax.ops.augment import random_crop, two_views
from vision_jax.optim.optimizers import adamw
from vision_jax.pipelines.self_supervised import some, turned
from vision_jax.tasks.contrastive import Contrastive
from vision_jax.tasks.masked_images import MaskedImages
from vision_jax.tasks.self_distillation import SelfDistillation

VIEWS = {"augment": two_views(random_crop(pad=1))}


def simclr():
  net = WithProjection(MLP(16, (32,)), 8, hidden=8)
  return digits(Contrastive(net), **VIEWS)


def dino(**fields):
  net = WithPrototypes(MLP(32, (64,)), 16, hidden=32, bottleneck=8)
  follows = optax.linear_schedule(0.9, 1.0, 1000)
  teacher = {"teacher": Following("model", follows)}
  task = SelfDistillation(net, **fields)
  return digits(task, following=teacher, **VIEWS)


def encoder(**fields):
  fields = {"head": "gap", "positions": "sincos2d"} | fields
  return ViT(0, patch=2, features=8, depth=1, heads=2, **fields)


def mae():
  net = MaskedAutoencoder(encoder(), features=8, depth=1, heads=2)
  return digits(MaskedImages(net, 2))


EACH = {"simclr": simclr, "dino": dino, "mae": mae}
each = pytest.mark.parametrize("make", EACH.values(), ids=EACH)


@pytest.mark.slow
@each
def test_it_is_the_same_everywhere(make):
  assert_equal_everywhere(make, rounding=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["simclr", "dino", "mae"])
def test_it_resumes_bit_for_bit(tmp_path, name):
  assert_resumes(EACH[name], tmp_path)


def test_microbatches_of_views_are_refused(tmp_path):
  with pytest.raises(UserError, match=r"Contrastive: .*one of 2 parts"):
    train(simclr, "jit", tmp_path / "run", accumulate=2)


def collapsing(**fields):
  """DINO for long enough to collapse, and how far its probs are spread."""
  data = Loader(Digits("train"), (), 64, seed=1)
  test = subset(Digits("test"), np.arange(128))
  measured = Eval(
    Loader(test, (), 64), {"spread": Spread("probs")}, losses=False
  )
  return lambda: digits(
    dino(**fields).task,
    following={"teacher": Following("model", 0.98)},
    optimizers={"model": adamw(1e-3, weight_decay=0.0)},
    train_data=data,
    evals={"test": measured},
    **VIEWS,
  )


@pytest.mark.slow
@pytest.mark.parametrize(
  ("without", "fields", "entropy"),
  [
    ("centring", {"centre_momentum": None}, 0.0),
    ("sharpening", {"teacher_temperature": 1.0}, np.log(16)),
  ],
)
def test_it_collapses_without_either_remedy(without, fields, entropy):
  """All images get one class, or each a little of all."""
  got = train(collapsing(**fields), steps=300, log_every=100).metrics
  assert got["test/spread"] < 0.05, without
  assert got["train/entropy"] == pytest.approx(entropy, abs=0.05)


@pytest.mark.slow
def test_it_does_not_collapse_with_both():
  got = train(collapsing(), steps=300, log_every=100).metrics
  assert got["test/spread"] > 0.4
  assert 0.2 < got["train/entropy"] < 2.0


def test_an_encoder_that_sees_all_patches_is_the_vit():
  net, image = encoder(head="cls"), jnp.ones((2, 4, 6, 1)).at[0, 1:].set(0)
  variables = jax.jit(lambda key: net.init(key, image, train=False))(
    jax.random.key(0)
  )
  every = jnp.tile(jnp.arange(6), (2, 1))
  last = every[:, 3:4]

  @jax.jit
  def outputs(image):
    run = lambda **kept: net.apply(variables, image, train=False, **kept)
    return run(), run(keep=every), run(keep=last)

  whole, tokens, part = outputs(image)
  assert tokens.shape == (2, 7, 8) and part.shape == (2, 2, 8)
  np.testing.assert_allclose(tokens[:, 0], whole, rtol=1e-5)
  *_, other = outputs(image.at[:, :2].set(9.0))  # patches that are hidden
  np.testing.assert_allclose(other, part, rtol=1e-5)


def test_a_masked_autoencoder_has_the_weights_of_a_vit():
  image = jnp.zeros((1, 8, 8, 1))
  task = mae().task
  shapes = lambda fn: jax.tree.map(
    lambda x: x.shape, jax.eval_shape(fn, jax.random.key(0))
  )
  whole = shapes(lambda key: task.init(key, {"image": image})[0])["model"]
  alone = shapes(lambda key: encoder().init(key, image, train=False))
  assert whole["encoder"] == alone["params"]


def test_turned_images_have_the_number_of_turns():
  image = np.random.default_rng(0).normal(size=(16, 6, 6, 3))
  batch = {"image": image, "label": np.full(16, 9), "index": np.arange(16)}
  got = turned()(batch, jax.random.key(0))
  assert set(got["label"].tolist()) == {0, 1, 2, 3}
  for before, after, turns in zip(
    image, got["image"], got["label"], strict=True
  ):
    np.testing.assert_allclose(np.rot90(before, turns), after, rtol=1e-6)


def test_some_examples_are_evenly_of_all():
  source = Digits("train")
  chosen = some(source, 100)
  assert len(chosen) == 100 and len(some(source, 10**6)) == len(source)
  at = chosen.indices
  assert at[0] == 0 and at[-1] == len(source) - 1
  assert np.ptp(np.diff(at)) <= 1


@pytest.mark.parametrize(
  ("make", "message"),
  [
    (lambda: Contrastive(MLP(4), 0.0), "temperature: got 0.0"),
    (lambda: SelfDistillation(MLP(4), 0.1, -1), "teacher_temperature: got -1"),
    (
      lambda: SelfDistillation(MLP(4), centre_momentum=2.0),
      "centre_momentum: got 2.0; expected 0 to 1, or None",
    ),
    (lambda: MaskedImages(MLP(4), 2, 1.0), "hidden: got 1.0"),
    (
      lambda: MaskedImages(MLP(4), 8).init(
        jax.random.key(0), {"image": jnp.zeros((1, 8, 8, 1))}
      ),
      "hidden: got 0.75 of 1 patches, which leaves 0",
    ),
  ],
)
def test_bad_values(make, message):
  with pytest.raises(UserError, match=message):
    make()
