"""Rows that begin with a backbone, and rows that measure its features."""

import json

import pytest

from benchmarks import execute, finished, run
from benchmarks.suite import SUITES
from tests.benchmarks.test_benchmarks_run import HARDWARE

TUNED, SCRATCH, PROBED = SUITES["transfer"]


def test_training_begins_with_the_backbone_or_from_scratch():
  place = "'--config.init_from=$VISION_JAX_DATA/cifar10_five'"
  assert place in execute.command(TUNED, 0, "cpu", TUNED.overrides)
  assert "init_from" not in execute.command(TUNED, 0, "tiny", {})
  scratch = execute.command(SCRATCH, 0, "cpu", SCRATCH.overrides)
  assert "init_from" not in scratch and "backbones.resnet.ResNet" in scratch
  differ = {*SCRATCH.overrides.items()} ^ {*TUNED.overrides.items()}
  own = {"net", "image_size", "freeze", "batch_norm"}
  assert {key for key, _ in differ} == own, "the recipe is the same else"


def test_features_are_measured_in_a_draw_a_seed(tmp_path):
  command = execute.command(PROBED, 2, "", {})
  assert "--mode=probe '--workdir=$VISION_JAX_DATA/cifar10_five'" in command
  for flag in ("--episodes=1", "--shots=5", "--seed=2", "--dataset=cifar10"):
    assert flag in command.split()
  assert "--config" not in command
  assert "--mode" not in execute.command(PROBED, 0, "tiny", {})
  with pytest.raises(finished.RunFailed, match=r"no probe\.json"):
    finished.probed(PROBED, tmp_path)
  names = {"logistic": 0.5, "ridge": 0.4, "knn": 0.3}
  content = {
    "measured_on": "test",
    "accuracy": {name: {"mean": x} for name, x in names.items()},
  }
  (tmp_path / "probe.json").write_text(json.dumps(content))
  found = finished.probed(PROBED, tmp_path)
  assert found["value"] == 0.5
  assert found["also"] == {"test/ridge": 0.4, "test/knn": 0.3}


def test_without_the_backbone_a_row_says_so(tmp_path, monkeypatch):
  monkeypatch.setenv("VISION_JAX_DATA", str(tmp_path))
  plan = execute.Plan(tmp_path, hardware=HARDWARE)
  for row in (TUNED, PROBED):
    assert "needs cifar10_five/config.json in" in run.missing(row, plan)
  assert "cifar10_five" not in run.missing(SCRATCH, plan)
