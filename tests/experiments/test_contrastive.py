"""A contrastive loss: an image's other view among those of the whole batch."""

import dataclasses

import flax.linen as nn
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
from vision_jax.core.execution import Jit, Pmap
from vision_jax.core.types import Mean, Objective
from vision_jax.debugging.replay import look_into
from vision_jax.errors import UserError
from vision_jax.experiment import Eval
from vision_jax.models.backbones.mlp import MLP
from vision_jax.ops.augment import random_crop
from vision_jax.tasks.net import NET, OneNet
from vision_jax.train.evaluate import Evaluator
from vision_jax.train.plan import Plan


@dataclasses.dataclass(frozen=True)
class Contrastive(OneNet):
  """Finds the other view of an image (van den Oord et al., 2018).

  A batch has `image` and `view`, (b, h, w, c) each.
  """

  model: nn.Module
  temperature: float = 0.1
  whole_batch = True

  @property
  def objectives(self):
    return (Objective(NET, self._loss, {"contrast": 1.0}),)

  def predict(self, params, stats, batch, key):
    features = self.net.given(params, stats)(batch["image"], train=False)
    return {"features": features}

  def _loss(self, params, stats, batch, key, *, step, train):
    embed = lambda x: self.net.given(params, stats)(x, train=train)
    views = (embed(batch[name]) for name in ("image", "view"))
    values = contrast(*views, batch["mask"], self.temperature)
    return {"contrast": Mean.of(values, batch["mask"])}, stats


def contrast(first, second, mask, temperature):
  """Cross entropy (b,) of finding each row of (b, d) among another's."""
  unit = lambda x: x / jnp.linalg.norm(x, axis=-1, keepdims=True)
  logits = unit(first) @ unit(second).T / temperature
  logits = jnp.where(mask > 0, logits, -1e9)
  return optax.softmax_cross_entropy_with_integer_labels(
    logits, jnp.arange(len(logits))
  )


def two_views(batch, key):
  """Two crops of each image."""
  views = [
    random_crop(pad=1)(batch, jax.random.fold_in(key, number))["image"]
    for number in range(2)
  ]
  return {**batch, "image": views[0], "view": views[1]}


def make():
  return digits(Contrastive(MLP(16, (32,))), augment=two_views)


def test_a_view_is_found_among_all_of_the_batch():
  b, mask = 8, jnp.ones(8).at[-2:].set(0)
  values = contrast(jnp.eye(b), jnp.eye(b), mask, 1.0)[:-2]
  np.testing.assert_allclose(values, np.log(np.e + 5) - 1, rtol=1e-5)
  metrics = train(make, "jit").metrics
  assert 0 < metrics["train/contrast"] < 2 * np.log(16)


@pytest.mark.parametrize(
  ("where", "accumulate", "parts"), [("pmap", 1, 8), ("jit", 2, 2)]
)
def test_parts_of_a_batch_are_refused_with_what_to_use(
  tmp_path, where, accumulate, parts
):
  with pytest.raises(UserError, match=f"Contrastive: .* one of {parts} parts"):
    train(make, where, tmp_path / "run", accumulate=accumulate)
  assert not (tmp_path / "run").exists()


def test_a_step_is_not_taken_apart_on_parts_of_a_batch(tmp_path):
  look = lambda plan, execution: look_into(
    *(1, make(), plan, tmp_path, execution), init_from=None, log=print
  )
  with pytest.raises(UserError, match=r"Contrastive: .* one of 8 parts"):
    look(Plan(1, 16), Pmap())
  with pytest.raises(UserError, match=r"Contrastive: .* one of 2 parts"):
    look(Plan(1, 16, accumulate=2), Jit())
  with pytest.raises(UserError, match="do not split into accumulate=3"):
    look(Plan(1, 16, accumulate=3), Jit())


def test_an_evaluation_of_its_loss_is_refused_too():
  experiment = make()
  data = Eval(experiment.train_data, {})
  experiment = dataclasses.replace(experiment, evals={"val": data})
  with pytest.raises(UserError, match="--execution=jit or fsdp"), experiment:
    Evaluator(experiment, Pmap())(lambda which: ({}, {}))


@pytest.mark.slow
def test_it_is_the_same_under_jit_and_fsdp():
  assert_equal_everywhere(make, ["jit", "fsdp"], rounding=1e-4)


@pytest.mark.slow
def test_it_resumes_bit_for_bit(tmp_path):
  assert_resumes(make, tmp_path)
