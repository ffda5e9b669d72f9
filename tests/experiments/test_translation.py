"""Pix2pix resumes bit for bit, and its generator alone."""

import dataclasses
import functools

import pytest

from tests.experiments.everywhere import assert_resumes
from tests.programs.command import ROOT
from vision_jax.recipe import recipe


def make(**values):
  config = ROOT / "configs/translation/digits_edges.py"
  experiment = recipe.load(f"{config}:tiny", values).build()
  return dataclasses.replace(experiment, evals={}, best=None, predict=None)


@pytest.mark.slow
@pytest.mark.parametrize("adversarial", ["1", "0"])
def test_it_resumes_bit_for_bit(tmp_path, adversarial):
  one = functools.partial(make, adversarial=adversarial)
  assert_resumes(one, tmp_path)
