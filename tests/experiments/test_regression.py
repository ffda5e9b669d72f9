"""Numbers from images: each loss, one result everywhere, and predictions."""

import json

import jax
import numpy as np
import pytest

from tests.data.test_number_table import lines, write
from tests.experiments.everywhere import (
  assert_equal_everywhere,
  assert_resumes,
  train,
)
from tests.programs import command
from vision_jax.errors import UserError
from vision_jax.models.backbones.cnn import CNN
from vision_jax.recipe import recipe
from vision_jax.tasks.regression import Regression

CONFIG = "configs/regression/roads_cnn.py"


def roads(loss="mixture", **values):
  """The tiny experiment, without what chooses a best."""
  texts = {k: str(x) for k, x in values.items()}
  found = recipe.load(
    str(command.ROOT / f"{CONFIG}:tiny"), {"loss": loss} | texts
  )
  return found.build()


def test_columns_are_named_with_commas_between(tmp_path):
  table = lines(count=20)
  values = {"dataset": "folder", "data_dir": write(tmp_path, table, images=20)}
  for text in ("steering", "steering,speed"):
    config = f"{command.ROOT / CONFIG}:tiny"
    given = {k: str(x) for k, x in values.items()} | {"columns": text}
    found = recipe.load(config, given).config
    assert found.columns == tuple(text.split(","))
    assert len(found.centre) == len(found.columns)


@pytest.mark.slow
def test_it_is_the_same_everywhere():
  assert_equal_everywhere(lambda: roads("huber"), rounding=2e-4)


@pytest.mark.slow
def test_it_resumes(tmp_path):
  assert_resumes(roads, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["l1", "l2", "huber", "mixture"])
def test_it_learns_to_steer(loss):
  values = {"scenes": "800,100,200", "width": 8, "eval_batch_size": 100}
  values |= {"steps": 300, "batch_size": 32, "image_size": 32}
  metrics = train(lambda: roads(loss, **values), steps=300).metrics
  assert metrics["test/r2"] > 0.8
  if loss == "mixture":
    assert metrics["test/nll"] < 0.2 and metrics["test/coverage90"] > 0.6


def test_ones_own_table_is_trained_on_and_predicted(tmp_path):
  data = write(tmp_path / "data", lines("split", count=12), images=12)
  flags = ("--config.dataset=folder", f"--config.data_dir={data}")
  flags += ("--config.steps=2", "--config.batch_size=4")
  run = tmp_path / "run"
  command.train(run, *flags, config=f"{CONFIG}:tiny", devices=1)
  last = command.metrics(run)[-1]
  assert {"val/mae", "test/r2/steering", "val/coverage90"} <= {*last}
  values = json.loads((run / "config.json").read_text())["values"]
  assert values["columns"] == ["speed", "steering"]
  assert values["centre"] == [4.5, -2.25]
  result = command.call(
    *("--mode=predict", f"--workdir={run}", f"--images={data}/images/0.png"),
    f"--output={tmp_path / 'out'}",
    devices=1,
  )
  assert result.code == 0, result.err
  (line,) = (tmp_path / "out/predictions.jsonl").read_text().splitlines()
  line = json.loads(line)
  assert {*line["numbers"]} == {"speed", "steering"} == {*line["sds"]}
  assert line["sds"]["speed"] > 0 and np.isfinite(line["numbers"]["speed"])


def test_what_cannot_be_learned_is_refused():
  with pytest.raises(UserError, match=r"the same in all images cannot be"):
    Regression(CNN(1), centre=(3.0,), scale=(0.0,))
  with pytest.raises(UserError, match="loss: got 'l3'; did you mean 'l"):
    Regression(CNN(1), "l3")
  task = Regression(CNN(4), "mixture", (0.0,) * 3, (1.0,) * 3, components=1)
  batch = {"image": np.zeros((2, 16, 16, 3), np.float32)}
  with pytest.raises(UserError, match=r"gives \(4,\) for .*; expected 7, of l"):
    jax.eval_shape(
      lambda key: task.predict(*task.init(key, batch), batch, key),
      jax.random.key(0),
    )
