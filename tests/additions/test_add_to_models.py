"""What a researcher adds to models and tasks, from the README's own files."""

import importlib
import sys

import pytest

from tests.additions import readme
from tests.programs.command import call, metrics
from vision_jax.optim.schedules import one_cycle

ADDITIONS = {
  "data": ("table.py", "table_cnn.py"),  # see test_add_data_set
  "model": ("patches.py", "digits_patches.py", "test_patches.py"),
  "metric": ("margin.py", "digits_margin.py"),
  "optimizer": ("digits_adabelief.py",),
  "term": ("sizes.py", "scenes_sizes.py"),
  "task": (
    *("reading.py", "huber.py", "mean_error.py", "reader.py"),
    "digits_reading.py",
  ),
  # See test_add_nets.
  "teacher": ("distilling.py", "digits_distilled.py"),
  "net": ("mean_teacher.py", "digits_mean_teacher.py"),
  "condition": ("parity.py", "digits_parity.py"),  # see test_add_condition
}


@pytest.fixture(name="logs")
def trained(tmp_path, monkeypatch):
  """(addition) -> the lines that four steps log, the evaluation's last."""
  monkeypatch.syspath_prepend(tmp_path)  # as `python -m` does by itself
  own = {file.removesuffix(".py") for file in readme.BLOCKS}
  for name in own & sys.modules.keys():
    monkeypatch.delitem(sys.modules, name)

  def run(name):
    readme.write(tmp_path, *ADDITIONS[name])
    files = {p.name for p in tmp_path.glob("*.py")}
    assert files == {*ADDITIONS[name]}
    (config,) = (file for file in files if readme.BLOCKS[file][0])
    flags = ("--workdir=out/mine", "--config.steps=4", "--config.log_every=1")
    done = call(f"--config={config}:tiny", *flags, devices=1, cwd=tmp_path)
    assert done.code == 0, done.err
    return metrics(tmp_path / "out/mine")

  yield run
  for name in own & sys.modules.keys():
    del sys.modules[name]


def test_every_file_of_the_readme_is_of_an_addition():
  files = [file for some in ADDITIONS.values() for file in some]
  assert sorted(readme.BLOCKS) == sorted(files)
  counts = {name: len(files) for name, files in ADDITIONS.items()}
  assert counts == {
    "data": 2, "model": 3, "metric": 2, "optimizer": 1, "term": 2, "task": 5,
    "teacher": 2, "net": 2, "condition": 2,
  }  # fmt: skip


def test_a_model_is_three_files(logs):
  *_, last = logs("model")
  assert 0 <= last["test/accuracy"] <= 1
  importlib.import_module(
    "test_patches"
  ).test_parameters_are_those_of_its_layers()


def test_a_metric_is_two_files(logs):
  *_, last = logs("metric")
  assert last["test/margin"] > 0 and "test/accuracy" in last


def test_an_optimizer_of_optax_is_one_file_and_logs_its_rate(logs):
  lines = [line for line in logs("optimizer") if "train/loss" in line]
  rates = [line["train/learning_rate"] for line in lines]
  schedule = one_cycle(1e-2, 4)
  assert rates == pytest.approx([float(schedule(i)) for i in range(4)])


@pytest.mark.slow
def test_a_term_of_detrs_loss_is_two_files(logs):
  lines = [line for line in logs("term") if "train/loss" in line]
  terms = {"class": 2.0, "l1": 5.0, "giou": 2.0, "sizes": 0.5}
  assert len(lines) == 4
  for line in lines:
    total = sum(
      weight * line[f"train/{prefix}{name}"]
      for prefix in ("", "aux_", "token_")
      for name, weight in terms.items()
    )
    assert line["train/sizes"] > 0
    assert line["train/loss"] == pytest.approx(total, rel=1e-4)


def test_a_task_is_five_files(logs):
  first, *_, last = logs("task")
  assert first["train/huber"] > 0 and last["test/error"] > 0
