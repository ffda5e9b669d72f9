"""An evaluation that compares with a second data set, and without losses."""

import dataclasses

import jax
import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from tests.programs.command import ROOT
from vision_jax.core.execution import Jit, Pmap
from vision_jax.errors import UserError
from vision_jax.experiment import Eval
from vision_jax.metrics.classification import Accuracy
from vision_jax.metrics.neighbours import NearestNeighbours
from vision_jax.recipe import recipe
from vision_jax.train.evaluate import Evaluator

DIGITS = ROOT / "configs/classification/digits_cnn.py"


def features(params, stats, batch, key):
  """Pixels, and logits of a sort."""
  del params, stats, key
  pixels = batch["image"].reshape(len(batch["image"]), -1)
  return {"features": pixels, "logits": pixels[:, :10]}


def rows(data):
  """The examples of a data set, each once."""
  batches = list(data.epoch())
  whole = {k: np.concatenate([b[k] for b in batches]) for k in batches[0]}
  return {k: x[whole["mask"] > 0] for k, x in whole.items()}


@pytest.mark.parametrize(
  "execution",
  [lambda: Jit(devices=jax.devices()[:1]), Pmap],
  ids=["jit1", "pmap8"],
)
def test_nearest_neighbours_of_another_data_set(execution):
  experiment = recipe.load(f"{DIGITS}:tiny").build()
  test = experiment.evals["test"].data
  reference = recipe.load(f"{DIGITS}:tiny", {"seed": "1"}).build().train_data
  metrics = {"knn": NearestNeighbours(1), "accuracy": Accuracy()}
  data = Eval(test, metrics, output=features, losses=False, reference=reference)
  experiment = dataclasses.replace(experiment, evals={"test": data})
  with experiment:
    evaluator = Evaluator(experiment, execution())
    weights = lambda kind: ({"model": np.zeros(1)}, {})
    evaluator.check(weights)
    got = evaluator(weights)
    known, asked = rows(reference), rows(test)
  flat = lambda some: some["image"].reshape(len(some["image"]), -1)
  oracle = KNeighborsClassifier(1, metric="cosine")
  oracle.fit(flat(known), known["label"])
  assert got.keys() == {"test/knn", "test/accuracy"}  # and no losses
  expected = oracle.score(flat(asked), asked["label"])
  assert got["test/knn"] == pytest.approx(expected) and expected > 0.9


def test_most_of_the_neighbours_decide():
  metric = NearestNeighbours(3)
  angles = np.array([0.0, 0.1, 0.2, 1.5, 1.6, 1.7])
  at = lambda angle: np.stack([np.cos(angle), np.sin(angle)], -1)
  reference = {"features": at(angles), "label": np.array([1, 0, 1, 2, 2, 0])}
  asked = {"features": 5 * at(np.array([0.1, 1.6])), "label": np.array([1, 0])}
  assert metric.result({}, asked, reference) == {"knn": 0.5}


def test_what_does_not_fit():
  with pytest.raises(UserError, match=r"compares with a reference.*got none"):
    Eval(None, {"knn": NearestNeighbours()})
  with pytest.raises(UserError, match="neighbours: got 0"):
    NearestNeighbours(0)
  few = {"features": np.ones((2, 3)), "label": np.zeros(2, int)}
  with pytest.raises(UserError, match="got 20, and the reference has 2"):
    NearestNeighbours().result({}, few, few)
