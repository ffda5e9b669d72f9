"""Metric learning: one result everywhere, resumed; what it refuses."""

import numpy as np
import pytest

from tests.experiments.everywhere import (
  assert_equal_everywhere,
  assert_resumes,
  digits,
  train,
)
from tests.programs.command import ROOT
from vision_jax.data.loader import Loader
from vision_jax.data.order_classes import ClassBatches
from vision_jax.data.sources.digits import Digits
from vision_jax.errors import UserError
from vision_jax.models.backbones.mlp import MLP
from vision_jax.models.embedding import WithCentres, WithProjection
from vision_jax.recipe import recipe
from vision_jax.tasks.embedding import LOSSES, Embedding

CONFIG = f"{ROOT}/configs/metric_learning/mnist_embedding.py:tiny"


def make(loss="supervised_contrastive", **options):
  net = WithProjection(MLP(16, (32,)), 8, hidden=8)
  if loss == "arcface":
    net = WithCentres(net, 10)
  source = Digits("train")
  data = Loader(source, (), 16, order=ClassBatches(source, 4, 4))
  options = {"margin": 0.5, "shots": 2} | options
  return digits(Embedding(net, loss, **options), train_data=data)


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSSES)
def test_it_is_the_same_everywhere(loss):
  assert_equal_everywhere(lambda: make(loss), rounding=1e-4)


@pytest.mark.slow
def test_it_resumes_bit_for_bit(tmp_path):
  assert_resumes(make, tmp_path)


def test_microbatches_are_refused_and_devices_are_not(tmp_path):
  with pytest.raises(UserError, match=r"one of 2 parts .* Use --config.accum"):
    train(make, "jit", tmp_path / "run", accumulate=2)
  assert not (tmp_path / "run").exists()
  assert np.isfinite(train(make, "pmap").metrics["train/loss"])


@pytest.mark.parametrize(
  ("options", "message"),
  [
    ({"loss": "triplet"}, "loss: got 'triplet'; .* Expected one of batch_h"),
    ({"temperature": 0.0}, "temperature: got 0.0; expected more than 0"),
    ({"margin": -1.0}, "margin: got -1.0; expected 0 or more"),
  ],
)
def test_bad_values(options, message):
  with pytest.raises(UserError, match=message):
    Embedding(MLP(4), **options)


@pytest.mark.parametrize("loss", ["arcface", "batch_hard"])
def test_a_net_without_or_with_centres_is_an_error(loss):
  net = MLP(4, (4,))
  task = Embedding(net if loss == "arcface" else WithCentres(net, 3), loss)
  with pytest.raises(UserError, match=f"got '{loss}', and the model gives"):
    train(lambda: digits(task))


def test_a_batch_that_classes_cannot_share_is_an_error():
  with pytest.raises(UserError, match=r"batch_size: got 41 .*such as 40"):
    recipe.load(CONFIG, {"batch_size": "41"}).build()


def test_classes_too_small_for_an_evaluation_are_refused_before_training():
  with pytest.raises(
    UserError, match=r"test: episodes: got 5 .*90 queries. Ask .*episode_shots"
  ):
    recipe.load(CONFIG, {"episode_queries": "90"})
  without = {"episode_queries": "90", "episode_shots": ""}
  built = recipe.load(CONFIG, without).build()
  assert {*built.evals["test"].metrics} == {"retrieval", "verification"}
  with pytest.raises(UserError, match="test: verification: got 36 images of 1"):
    recipe.load(CONFIG, {"held_out": "7", "episode_shots": ""})


def test_an_episode_of_support_alone_is_refused():
  values = {"loss": "prototypical", "support": "20"}
  with pytest.raises(UserError, match="support: got 20, and a batch has 20 im"):
    recipe.load(CONFIG, values).build()
  assert recipe.load(CONFIG, values | {"support": "19"}).build()
