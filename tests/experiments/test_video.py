"""Clips and skeletons: one result everywhere, and resumed."""

import dataclasses

import jax
import numpy as np
import pytest

from tests.experiments.everywhere import (
  assert_equal_everywhere,
  assert_resumes,
)
from tests.programs import command
from vision_jax.data.errors import DataError
from vision_jax.optim.optimizers import sgd
from vision_jax.pipelines.skeletons import strip_images
from vision_jax.recipe import recipe

CONFIGS = {
  "r3d": "video/digits_r3d",
  "r2plus1d": "video/digits_r2plus1d",
  "vivit": "video/digits_vivit",
  "stgcn": "skeletons/actions_stgcn",
  "mstcn": "skeletons/actions_mstcn",
}


def tiny(name, **values):
  """The tiny experiment, of a config by its short name."""
  texts = {k: str(x) for k, x in values.items()}
  path = command.ROOT / f"configs/{CONFIGS[name]}.py"
  return recipe.load(f"{path}:tiny", texts).build()


def by_sgd(name):
  """The same; a step of Adam divides what is 0, as a bias's before BatchNorm,
  by its own rounding."""
  optimizers = {"model": sgd(lambda step: 0.05)}
  fields = {"optimizers": optimizers, "evals": {}, "best": None}
  return dataclasses.replace(tiny(name), **fields)


@pytest.mark.slow
def test_a_net_of_joints_is_the_same_everywhere(monkeypatch):
  """The task of sequences is in the table of tasks; clips are classified.

  Joints that are missing put much at ReLU's kink, where rounding has a side.
  """
  monkeypatch.setattr(jax.nn, "relu", jax.nn.silu)
  assert_equal_everywhere(lambda: by_sgd("stgcn"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["r3d", "mstcn"])
def test_it_resumes_bit_for_bit(name, tmp_path):
  assert_resumes(lambda: tiny(name), tmp_path)


def test_a_window_longer_than_the_clips_is_refused():
  with pytest.raises(DataError, match=r"has 5 frames; expected 6 or more"):
    tiny("r3d", window=6).train_data.batch(0)


def test_truth_and_prediction_are_drawn():
  draw = strip_images(("a", "b"))
  target = np.array([[0, 1, 255], [1, 1, 0]])
  batch = {"target": target, "mask": np.float32([1, 0])}
  ((name, image),) = draw(batch, {"target": target % 2}).items()
  assert name == "segments" and image.dtype == np.uint8
  assert image.shape[1] >= 480
