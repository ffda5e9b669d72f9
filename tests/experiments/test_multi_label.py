"""Several labels an image: whether a digit is odd, small, or a square."""

import csv

import numpy as np
import pytest

from tests.experiments.everywhere import (
  EXECUTIONS,
  assert_equal_everywhere,
  assert_resumes,
  digits,
  train,
)
from vision_jax.data.loader import Loader
from vision_jax.data.sources.arrays import ArraySource
from vision_jax.data.sources.digits import Digits
from vision_jax.data.transforms.image import decode
from vision_jax.errors import UserError
from vision_jax.experiment import Eval, Predict
from vision_jax.inference.trained import Trained
from vision_jax.losses.classification import softmax_cross_entropy
from vision_jax.metrics.classification import NegativeLogLikelihood
from vision_jax.metrics.curves import Curves
from vision_jax.metrics.decisions import PrecisionRecallF1
from vision_jax.models.backbones.mlp import MLP
from vision_jax.ops.inputs import normalize
from vision_jax.pipelines.colours import SIGNED
from vision_jax.tasks.classification import Classification
from vision_jax.viz.png import write_png

NAMES = ("odd", "small", "square")


def labels(digit):
  return np.stack([digit % 2 == 1, digit < 5, np.isin(digit, (0, 1, 4, 9))], -1)


def source(split):
  arrays = Digits(split).arrays
  return ArraySource(
    {"image": arrays["image"], "label": labels(arrays["label"])}
  )


def several_labels():
  held_out = Loader(source("test"), [], 120, shuffle=False)
  metrics = {
    "f1": PrecisionRecallF1(NAMES, ("micro",)),
    "curves": Curves(NAMES),
    "nll": NegativeLogLikelihood(),
  }
  return digits(
    Classification(MLP(3, (16,)), exclusive=False),
    train_data=Loader(source("train"), [], 16),
    evals={"val": Eval(held_out, metrics)},
    inputs=normalize(*SIGNED),
    augment=None,
    predict=Predict([decode(1)], NAMES, ("csv",)),
  )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
  """A run's folder, and what it measured."""
  workdir = tmp_path_factory.mktemp("labels") / "run"
  return workdir, train(several_labels, "one", workdir, steps=30).metrics


def test_metrics_and_files_have_a_probability_of_each_class(run, tmp_path):
  workdir, metrics = run
  trained = Trained(several_labels(), workdir, execution=EXECUTIONS["one"]())
  images = Digits("test").arrays["image"]
  out, truth = trained.predict(images), labels(Digits("test").labels())
  probs = 1 / (1 + np.exp(-out["logits"]))
  np.testing.assert_array_equal(out["label"], probs >= 0.5)
  assert (np.abs(probs.sum(-1) - 1) > 0.1).any()  # not a softmax's
  right = np.sum(out["label"] & truth)
  f1 = 2 * right / (out["label"].sum() + truth.sum())
  assert metrics["val/f1_micro"] == pytest.approx(f1)
  nll = -np.log(np.where(truth, probs, 1 - probs)).sum(-1).mean()
  assert metrics["val/nll"] == pytest.approx(nll, rel=1e-4)
  assert metrics["val/cross_entropy"] == pytest.approx(nll, rel=1e-4)
  for i in range(20):
    grey = images[i].repeat(3, -1)
    write_png(tmp_path / "in" / f"{i:02}.png", grey)
  trained.predict_folder(str(tmp_path / "in"), tmp_path / "out")
  with open(tmp_path / "out" / "predictions.csv") as file:
    found = {
      (row["filename"][-6:-4], row["class"]) for row in csv.DictReader(file)
    }
  least = [metrics[f"val/threshold/{name}"] for name in NAMES]
  expected = {
    (f"{i:02}", NAMES[k]) for i, k in np.argwhere(probs[:20] >= least)
  }
  assert found == expected and expected


def test_a_softmax_of_labels_that_go_together_is_refused():
  with pytest.raises(UserError, match=r"softmax_cross_entropy with exclusive="):
    Classification(MLP(3), softmax_cross_entropy, exclusive=False)


@pytest.mark.parametrize(
  "where",
  ["jit", *(pytest.param(x, marks=pytest.mark.slow) for x in ("fsdp", "pmap"))],
)
def test_it_is_the_same_everywhere(where):
  assert_equal_everywhere(several_labels, [where])


@pytest.mark.slow
def test_it_resumes(tmp_path):
  assert_resumes(several_labels, tmp_path)
