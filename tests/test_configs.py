"""Every config file: its tiny variant trains, its full one builds."""

import json
import math

import jax
import numpy as np
import pytest

from tests.programs.command import ROOT, metrics, train
from tests.programs.files import write_folder
from vision_jax import recipe
from vision_jax.data.errors import DataError

CONFIGS = [
  str(path.relative_to(ROOT))
  for path in sorted((ROOT / "configs").glob("*/*.py"))
  if path.name != "__init__.py"
]
each = pytest.mark.parametrize("path", CONFIGS)


def test_there_are_configs():
  assert len(CONFIGS) >= 10


@each
def test_tiny_variant_trains_to_its_end(tmp_path, path):
  train(tmp_path, config=f"{path}:tiny", devices=1)
  lines = metrics(tmp_path)
  config = json.loads((tmp_path / "config.json").read_text())["values"]
  assert lines[-1]["step"] == config["steps"]
  evaluated = [k for k in lines[-1] if k.startswith(("val/", "test/"))]
  assert evaluated, lines[-1]
  for line in lines:
    for name, x in line.items():
      assert x is not None and math.isfinite(x), name


@each
def test_full_variant_builds(tmp_path, path, data_root):
  overrides = {"data_dir": str(data_root)}
  config = recipe.load(f"{path}:tiny").module.get_config()
  if config.get("dataset") == "folder":
    write_folder(tmp_path, each=3)
    overrides = {"data_dir": str(tmp_path), "batch_size": "4"}
  try:
    full = recipe.load(path, overrides)
  except ValueError as error:  # classes that it reads from the data
    pytest.skip(f"the data are absent: {error}")
  experiment = full.build()
  state = jax.eval_shape(
    lambda: experiment.initial_state(
      jax.random.key(0), batch_of(experiment, full.config)
    )
  )
  assert set(state.opt_state) == {o.net for o in experiment.task.objectives}
  assert sum(x.size for x in jax.tree.leaves(state.params)) > 0
  assert experiment.evals


def batch_of(experiment, config):
  """A batch of the training data, or where they are absent one like it."""
  try:
    return experiment.train_data.batch(0)
  except DataError as error:
    if not {"image_size", "channels"} <= set(config.keys()):
      pytest.skip(f"the data are absent: {error}")
    b, size = config.batch_size, config.image_size
    return {
      "image": np.zeros((b, size, size, config.channels), np.float32),
      "label": np.zeros(b, np.int32),
      "mask": np.ones(b, np.float32),
      "index": np.arange(b, dtype=np.int32),
    }
