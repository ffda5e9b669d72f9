"""Keypoint R-CNN of generated people: everywhere the same, and resumed."""

import dataclasses

import pytest

from tests.experiments.everywhere import (
  assert_equal_everywhere,
  assert_resumes,
)
from vision_jax.recipe import recipe

PATH = "configs/detection/coco_keypoint_rcnn.py:tiny"
pytestmark = pytest.mark.slow


def tiny():
  """Without evaluations."""
  experiment = recipe.load(PATH).build()
  return dataclasses.replace(experiment, evals={}, best=None, predict=None)


def test_it_is_the_same_under_pmap():
  """FSDP splits what it splits of Mask R-CNN."""
  # What is looked at is where proposals lie, and these move by rounding.
  assert_equal_everywhere(tiny, ("pmap",), rounding=1e-3)


def test_a_run_resumes(tmp_path):
  assert_resumes(tiny, tmp_path)
