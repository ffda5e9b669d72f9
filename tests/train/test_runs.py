"""A run from Python: with a workdir or without, with a config file or not."""

import contextlib
import io
import json
import threading

import jax
import numpy as np
import pytest

from tests.programs import blobs
from tests.programs.command import (
  BLOBS,
  ROOT,
  assert_same,
  metrics,
  stored,
  train,
)
from tests.programs.files import write_folder
from vision_jax.core.execution import Jit, Pmap
from vision_jax.errors import UserError
from vision_jax.inference.trained import Trained
from vision_jax.recipe import recipe
from vision_jax.train.runs import run

PLAN = {"log_every": 3, "eval_every": 5, "save_every": 4, "batch_size": 16}


def experiment(**values):
  return recipe.load(str(ROOT / BLOBS), values).build()


def one():
  return Jit(devices=jax.devices()[:1])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
  """The workdir and outcome of a run without a config file."""
  workdir = tmp_path_factory.mktemp("runs")
  return workdir, run(experiment(), workdir, steps=13, execution=one(), **PLAN)


def test_it_is_the_commands_run(whole, tmp_path):
  train(tmp_path, devices=1)
  assert_same(stored(whole[0]), stored(tmp_path))
  assert metrics(whole[0]) == metrics(tmp_path)


def test_called_again_it_goes_on(whole, tmp_path, capsys):
  run(experiment(), tmp_path, steps=6, execution=one(), **PLAN)
  again = run(experiment(), tmp_path, steps=13, execution=one(), **PLAN)
  assert "Resuming at step 6 of 13." in capsys.readouterr().err
  assert again.step == 13 and again.stopped_by is None
  assert_same(stored(tmp_path), stored(whole[0]))
  runs = json.loads((tmp_path / "manifest.json").read_text())["runs"]
  assert [entry["step"] for entry in runs] == [0, 6]


@pytest.mark.parametrize("other", [{"seed": 1}, {"batch_size": 32}])
def test_another_run_does_not_go_on(whole, other, monkeypatch):
  size = other.get("batch_size", 16)
  made = experiment(batch_size=str(size))
  (name,) = other
  with pytest.raises(UserError, match=f"{name}: got .*began with"):
    run(made, whole[0], steps=14, execution=one(), **(PLAN | other))


@pytest.mark.parametrize("size", [16, 32])
def test_it_leaves_no_threads_of_the_data_behind(tmp_path, size):
  """Whether the run ends well or stops at an error, and may be called again."""
  write_folder(tmp_path, each=12)
  made = experiment(data_dir=str(tmp_path), threads="2", holdout="16")
  before, right = threading.enumerate(), size == 16
  ends = contextlib.nullcontext() if right else pytest.raises(UserError)
  for _ in range(2):
    with ends:
      run(made, steps=1, batch_size=size, execution=one(), quiet=True)
    names = [t.name for t in threading.enumerate() if t not in before]
    assert not any(name.startswith("vision_jax_data") for name in names)


def test_a_batch_size_that_is_not_the_datas(tmp_path):
  with pytest.raises(UserError, match=r"got 32, and train_data .* of 16"):
    run(experiment(), tmp_path, steps=1, batch_size=32, execution=one())
  assert not any(tmp_path.iterdir())


def test_in_memory_it_trains_the_same_and_writes_nothing(
  whole, tmp_path, monkeypatch
):
  monkeypatch.chdir(tmp_path)
  shown = io.StringIO()
  with contextlib.redirect_stderr(shown):
    outcome = run(experiment(), steps=13, execution=one(), quiet=True, **PLAN)
  assert not any(tmp_path.iterdir()) and not shown.getvalue()
  expected = whole[1].state.params
  jax.tree.map(np.testing.assert_array_equal, outcome.state.params, expected)
  assert outcome.metrics["val/loss"] == whole[1].metrics["val/loss"]


@pytest.mark.parametrize("execution", [Jit, Pmap])
def test_a_workdir_is_used_from_python(whole, execution):
  logged = []
  trained = Trained(
    experiment(), whole[0], execution=execution(), log=logged.append
  )
  metrics = trained.evaluate()
  assert metrics.pop("checkpoint") == 13
  for name, x in metrics.items():
    np.testing.assert_allclose(x, whole[1].metrics[name], rtol=1e-5)
  images = blobs.Blobs(37, 2).load()["image"]
  got = trained.predict(images)
  made = experiment()
  params, stats = jax.device_get(whole[1].state.weights(made.weights))
  batch = {"image": images, "mask": np.ones(37, np.float32)}
  expected = made.task.predict(params, stats, made.inputs(batch), None)
  np.testing.assert_allclose(
    got["logits"], expected["logits"], rtol=1e-4, atol=1e-4
  )
  assert logged[-1].endswith(", of step 13.")
