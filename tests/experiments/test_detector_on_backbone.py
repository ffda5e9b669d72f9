"""A detector that begins on the backbone of a classifier."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from tests.experiments.everywhere import (
  assert_equal_everywhere,
  assert_resumes,
  digits,
  train,
)
from tests.programs.command import ROOT, stored
from vision_jax.experiment import Weights
from vision_jax.models.backbones.resnet import ResNet
from vision_jax.optim.optimizers import sgd
from vision_jax.recipe import recipe
from vision_jax.tasks.classification import Classification

pytestmark = pytest.mark.slow
SCENES = ROOT / "configs/detection/digit_scenes_detr.py"
BACKBONE = "model/backbone"


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
  """The workdir of a classifier with such a backbone."""
  body = ResNet(10, (1, 1), False, 8, "imagenet", zero_init=False)
  coloured = lambda batch: batch | {"image": jnp.repeat(batch["image"], 3, -1)}
  workdir = tmp_path_factory.mktemp("classifier")
  train(lambda: digits(Classification(body), inputs=coloured), "one", workdir)
  return workdir


def detector(workdir):
  """() -> the experiment."""
  return lambda: dataclasses.replace(
    recipe.load(f"{SCENES}:tiny").build(),
    start={BACKBONE: Weights(str(workdir))},
    optimizers={"model": sgd(lambda step: 1e-4, 0.9)},
    evals={},
    best=None,
  )


def test_it_is_the_same_everywhere(classifier):
  # A hidden value within rounding of 0 is on in one order of additions alone.
  assert_equal_everywhere(detector(classifier), rounding=1e-3)


def test_it_resumes_bit_for_bit(classifier, tmp_path):
  assert_resumes(detector(classifier), tmp_path)
  began, got = stored(classifier), stored(tmp_path / "resumed")
  begun = began["params/model/conv1/kernel"]
  kernel = got["params/model/backbone/conv1/kernel"]
  np.testing.assert_allclose(kernel, begun, atol=1e-2)
