"""The Mask R-CNN of nuclei: everywhere the same, resumed, predicted."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from tests.experiments.everywhere import (
  assert_equal_everywhere,
  assert_resumes,
)
from tests.programs.command import call, train
from vision_jax.data import rle
from vision_jax.data.sources.discs import Discs
from vision_jax.recipe import recipe
from vision_jax.viz.png import write_png

PATH = "configs/instance/nuclei_maskrcnn.py:tiny"
pytestmark = pytest.mark.slow


def tiny():
  """Without evaluations, and in batches that eight devices divide."""
  experiment = recipe.load(PATH).build()
  return dataclasses.replace(experiment, evals={}, best=None, predict=None)


def test_it_is_the_same_under_every_execution():
  # What is looked at is where proposals lie, and these move by rounding.
  assert_equal_everywhere(tiny, rounding=1e-3)


def test_a_run_resumes(tmp_path):
  assert_resumes(tiny, tmp_path)


def test_predictions_are_run_lengths_maps_and_overlays(tmp_path):
  train(tmp_path / "run", "--config.steps=2", config=PATH, devices=1)
  images, output = tmp_path / "images", tmp_path / "out"
  images.mkdir()
  for i, example in enumerate(Discs("val", 2, size=48).read(np.arange(2))):
    write_png(images / f"{i}.png", example["image"][..., 0])
  call(
    *("--mode=predict", f"--workdir={tmp_path / 'run'}"),
    *(f"--images={images}", f"--output={output}"),
    devices=1,
  )
  for row in json.loads((output / "results.json").read_text()):
    assert rle.checked(row["segmentation"], (48, 48)) == row["segmentation"]
  for i in range(2):
    numbers = Image.open(output / f"instances/{i}.png")
    assert numbers.size == (48, 48)
    assert (output / f"overlays/{i}.png").is_file()
