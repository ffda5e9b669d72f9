"""What finds that an experiment is not the same everywhere finds it."""

import dataclasses

import jax
import jax.numpy as jnp
import pytest

from tests.experiments.everywhere import (
  assert_equal_everywhere,
  assert_resumes,
  digits,
  train,
)
from vision_jax.core.types import Mean, Objective
from vision_jax.models.backbones.mlp import MLP
from vision_jax.tasks.classification import Classification


@dataclasses.dataclass(frozen=True)
class Counted(Classification):
  """A term is the number of examples that the loss sees at a time."""

  @property
  def objectives(self):
    return (Objective("model", self._loss, {"cross_entropy": 1.0}),)

  def _loss(self, params, stats, batch, key, *, step, train):
    mask = batch["mask"]
    logits, stats = self.net.run(
      params, stats, batch["image"], key=key, train=train
    )
    terms = {
      "cross_entropy": self.loss(logits, batch["label"]),
      "seen": jnp.full(len(mask), float(len(mask))),
    }
    return {k: Mean.of(x, mask) for k, x in terms.items()}, stats


def counted():
  return digits(Counted(MLP(10, (16,))))


def test_a_metric_that_differs_is_found():
  assert_equal_everywhere(counted, ["fsdp"])
  with pytest.raises(AssertionError, match="train/seen") as found:
    assert_equal_everywhere(counted, ["pmap"])
  assert found.value.__notes__ == ["Under pmap."]


def test_fsdp_has_something_to_split():
  params = train(counted, "fsdp", steps=1).state.params
  assert any(
    x.addressable_shards[0].data.size < x.size for x in jax.tree.leaves(params)
  )


@pytest.mark.slow
def test_a_run_resumes(tmp_path):
  assert_resumes(counted, tmp_path)
