"""Descriptors with scikit-learn, measured beside nets by one command."""

import json

import numpy as np
import pytest

from benchmarks.classical import command, learners, nets
from tests.programs.command import ROOT

DIGITS = "--dataset=digits"


def run(folder, *words):
  places = (f"--output={folder}", f"--workdir={folder}/work")
  code = command.main([DIGITS, *places, *words])
  return code, folder / "classical_digits.json"


def test_descriptors_are_measured_once(tmp_path, monkeypatch, capsys):
  methods = "--methods=hog+svm,pixels+forest"
  code, file = run(tmp_path, methods, "--seeds=2", "--config.holdout=1137")
  assert code == 0
  found = json.loads(file.read_text())
  svm, forest = found["rows"]
  assert (svm["seeds"], forest["seeds"]) == ([0], [0, 1])
  assert svm["features"] == [3 * 3 * 4 * 9] and forest["features"][0] == 784
  assert svm["training_images"] == 300 and svm["test_images"] == 360
  assert svm["accuracy"][0] > 0.92 and min(forest["accuracy"]) > 0.85
  assert found["versions"]["scikit-learn"] and found["hardware"]
  text = file.with_suffix(".md").read_text()
  assert text == command.page(found) and "| pixels+forest | 2 |" in text
  monkeypatch.setattr(learners, "measure", None)  # nothing is measured again
  run(tmp_path, methods, "--seeds=2", "--config.holdout=1137")
  assert json.loads(file.read_text())["rows"] == found["rows"]
  assert run(tmp_path, methods)[0] == 2
  assert "holds another measurement" in capsys.readouterr().err


def test_parameters_are_what_predicts():
  x = np.array([[0.0, 0], [1, 0], [0, 1], [1, 1]] * 3)
  svm = learners.LEARNERS["svm"](0).fit(x, x[:, 0] > 0)
  vectors = len(svm.support_vectors_)
  assert learners.parameters(svm) == vectors * 2 + vectors + 1
  forest = learners.LEARNERS["forest"](0).fit(x, x[:, 0] > 0)
  trees = [each.tree_ for each in forest.estimators_]
  split = sum(np.sum(tree.children_left >= 0) for tree in trees)
  leaves = sum(np.sum(tree.children_left < 0) for tree in trees)
  assert learners.parameters(forest) == 2 * split + 2 * leaves


def test_parameters_of_a_net():
  values = nets.values_of("mlp", {"hidden": "800"})
  path = f"{ROOT}/{nets.CONFIG}:digits"
  assert nets.parameters(path, values) == 784 * 800 + 800 + 800 * 10 + 10


@pytest.mark.slow
def test_a_net_is_trained_by_the_command(tmp_path):
  code, file = run(tmp_path, "--methods=mlp", "--seeds=1", "--config.steps=60")
  assert code == 0
  (row,) = json.loads(file.read_text())["rows"]
  assert row["accuracy"][0] > 0.8 and row["cpu_seconds"][0] > 1


@pytest.mark.parametrize(
  ("word", "message"),
  [
    ("--methods=sift+svm", "got 'sift+svm'; expected of pixels+svm"),
    ("--seeds=0", "--seeds: got 0; expected 1 or more"),
    ("--config.wdth=3", "did you mean --config.width"),
    ("--depth", "--config.KEY=VALUE"),
  ],
)
def test_bad_input(tmp_path, capsys, word, message):
  assert run(tmp_path, word)[0] == 2
  assert message in capsys.readouterr().err
