"""Panoptic segmentation of digit scenes: learned, everywhere the same."""

import dataclasses

import jax
import numpy as np
import pytest

from tests.experiments.everywhere import (
  assert_equal_everywhere,
  assert_resumes,
)
from vision_jax.recipe import recipe

PATH = "configs/instance/digit_scenes_mask2former.py:tiny"
pytestmark = pytest.mark.slow


def tiny():
  """Without evaluations."""
  experiment = recipe.load(PATH).build()
  return dataclasses.replace(experiment, evals={}, predict=None)


def test_batches_have_the_objects_of_their_classes():
  batch = recipe.load(PATH).build().train_data.batch(0)
  digits = batch["instances"] > 0
  assert np.array_equal(digits, batch["target"] > 0)
  truth = jax.device_get(tiny().task.truth(batch))
  assert (truth.masks.sum((1, 2, 3)) <= batch["target"][0].size).all()
  assert (truth.label[:, :-1][truth.there[:, :-1] > 0] > 0).all()


def test_it_is_the_same_under_every_execution():
  assert_equal_everywhere(tiny, rounding=1e-3)


def test_a_run_resumes(tmp_path):
  assert_resumes(tiny, tmp_path)
