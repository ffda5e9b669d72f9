"""Batches that are no images with labels, from the first step to the last."""

import json

import pytest

from tests.programs.command import call
from tests.programs.files import content
from vision_jax.errors import UserError
from vision_jax.inference.trained import load

# Clips beside others, of which the task sees a frame.
CONFIG = """
import dataclasses

from tests.programs.blobs import Blobs, build as of_images, get_config
from vision_jax.data.groups import clips
from vision_jax.data.loader import Loader
from vision_jax.data.together import Together
from vision_jax.ops.parts import part


def build(config):
  one = of_images(config)
  clip = Loader(clips(Blobs(40, 0), 2), batch_size=config.batch_size)
  data = Together(first=clip, second=one.train_data)

  def inputs(batch):
    if "first/image" in batch:
      batch = part(batch, "first")
      batch = batch | {"image": batch["image"][:, 0]}
    return one.inputs(batch)

  val = dataclasses.replace(one.evals["val"], data=data)
  return dataclasses.replace(
    one, train_data=data, inputs=inputs, evals={"val": val}
  )
"""


def test_a_workdir_of_clips_side_by_side_is_used(tmp_path):
  file, run = tmp_path / "clips.py", f"--workdir={tmp_path / 'run'}"
  file.write_text(CONFIG)
  done = call(f"--config={file}", run, "--config.steps=1", devices=1)
  assert done.code == 0, done.err
  batch = json.loads((tmp_path / "run" / "config.json").read_text())["batch"]
  assert "image" not in batch
  assert batch["first/image"] == [[16, 2, 8, 8, 3], "uint8"]
  shown = call("--mode=show", run)
  assert "batch_size = 16" in shown.out, shown.err
  before = content(tmp_path / "run")
  with pytest.raises(UserError, match="Classification does not generate"):
    load(tmp_path / "run", trusted=True).sample_folder(tmp_path / "drawn")
  assert content(tmp_path / "run") == before
  measured = call("--mode=eval", run, devices=1)
  assert measured.code == 0, measured.err
  assert 0 <= json.loads(measured.out)["val/accuracy"] <= 1
