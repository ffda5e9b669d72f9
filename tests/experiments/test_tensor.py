"""Tensor parallelism: a ViT split over devices is the ViT of one device."""

import numpy as np
import pytest

from tests.cluster.test_processes import start_two
from tests.experiments.everywhere import (
  EXECUTIONS,
  assert_equal_everywhere,
  assert_resumes,
  digits,
  train,
)
from tests.programs import command
from tests.programs.command import (
  assert_same,
  by_step,
  finish,
  metrics,
  stored,
)
from vision_jax.inference.trained import Trained
from vision_jax.models.backbones.vit import ViT
from vision_jax.recipe import recipe
from vision_jax.tasks.classification import Classification

pytestmark = pytest.mark.slow
CONFIG = "configs/classification/mnist_vit.py:tiny"
SPLIT = ("tensor", "tensor8", "tensor_fsdp")


def vit(**fields):
  """A ViT on digits with all that is random in it."""
  sizes = {"patch": 4, "features": 16, "depth": 2, "heads": 8}
  noise = {"dropout": 0.1, "drop_path": 0.2}
  return digits(Classification(ViT(10, **sizes | noise | fields)))


def test_it_is_the_same_everywhere():
  assert_equal_everywhere(vit, SPLIT, rounding=3e-5)


@pytest.mark.parametrize(
  "fields",
  [
    {"mlp": "swiglu", "features": 24, "head": "gap"},
    {"head": "map", "layer_scale": 0.1, "remat": "blocks"},
  ],
)
def test_other_kinds_of_it_are(fields):
  assert_equal_everywhere(lambda: vit(**fields), ("tensor",), accumulate=2)


def test_it_resumes_bit_for_bit(tmp_path):
  assert_resumes(vit, tmp_path, where="tensor")


@pytest.mark.parametrize(
  ("first", "then"), [("tensor", "jit"), ("jit", "tensor")]
)
def test_it_goes_on_from_another_execution(tmp_path, first, then):
  whole, halves = tmp_path / "whole", tmp_path / "halves"
  train(vit, "one", whole)
  assert train(vit, first, halves, stop_at=1).stopped_by == "SIGTERM"
  train(vit, then, halves)
  assert_same(stored(halves), stored(whole), rounding=3e-5)
  got, expected = by_step(halves), by_step(whole)
  assert got.keys() == expected.keys()
  for step, line in expected.items():
    assert got[step] == pytest.approx(line, rel=1e-4, abs=1e-5), step


def evaluated():
  """A ViT on digits with evaluations and predictions."""
  return recipe.load(str(command.ROOT / CONFIG)).build()


def test_it_evaluates_and_predicts(tmp_path):
  outcome = train(evaluated, "tensor", tmp_path, steps=2, eval_every=2)
  found = {}
  for where in ("one", "tensor"):
    trained = Trained(evaluated(), tmp_path, execution=EXECUTIONS[where]())
    images = np.random.default_rng(0).integers(0, 256, (5, 28, 28, 1), np.uint8)
    found[where] = trained.evaluate(), trained.predict(images)
  one, split = found.values()
  assert split[0] == pytest.approx(one[0], rel=1e-4)
  for name, x in split[0].items():
    if name != "checkpoint":
      assert outcome.metrics[name] == pytest.approx(x, rel=1e-5)
  np.testing.assert_allclose(
    split[1]["logits"], one[1]["logits"], rtol=1e-4, atol=1e-5
  )


def test_one_net_over_two_processes(tmp_path):
  """Both feed the same examples to their halves of the net."""
  one, two = tmp_path / "one", tmp_path / "two"
  flags = (f"--config={CONFIG}", "--config.steps=3", "--config.eval_every=0")
  where = ("--execution=tensor", "--mesh=data:1,model:4")
  processes = start_two(*flags, *where, f"--workdir={two}")
  for result in [finish(process) for process in processes]:
    assert result.code == 0, result.err
    assert "Traceback" not in result.err
  done = command.call(*flags, f"--workdir={one}", devices=1)
  assert done.code == 0, done.err
  (line,), (expected,) = metrics(two)[-1:], metrics(one)[-1:]
  assert line == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_a_command_that_does_not_split(tmp_path):
  flags = (f"--config={CONFIG}", f"--workdir={tmp_path / 'run'}")
  result = command.call(*flags, "--execution=tensor")
  assert result.code == 2
  assert "got model:8 for a net of 4 heads" in result.err
  assert "Use --mesh=data:2,model:4." in result.err
  assert not (tmp_path / "run").exists()
