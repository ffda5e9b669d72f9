"""Nets besides the one that is trained, from the README's own files."""

import json
import shutil
import sys

import numpy as np
import optax
import pytest

from tests.additions import readme
from tests.experiments.everywhere import assert_equal_everywhere, assert_resumes
from tests.experiments.everywhere import train as run_somewhere
from tests.programs.command import ROOT, assert_same, call, metrics, stored
from vision_jax.recipe import recipe

pytestmark = pytest.mark.slow  # four runs
CLASSIFIER = ROOT / "configs/classification/digits_cnn.py"
STEPS = 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  """A folder with the README's files, and runs in it, made once."""
  folder = tmp_path_factory.mktemp("nets")
  nets = ("distilling", "digits_distilled", "mean_teacher",
          "digits_mean_teacher")  # fmt: skip
  readme.write(folder, *(f"{name}.py" for name in nets))
  sys.path.insert(0, str(folder))  # as `python -m` does by itself
  train(folder, CLASSIFIER, "teacher")
  train(folder, CLASSIFIER, "another", "--config.seed=1")
  train(folder, "digits_distilled.py", "distilled")
  train(folder, "digits_mean_teacher.py", "mean")
  yield folder
  sys.path.remove(str(folder))
  for name in nets:
    sys.modules.pop(name, None)


def train(folder, config, workdir, *flags, code=0, devices=1, **options):
  flags = (f"--config.steps={STEPS}", "--config.log_every=1", *flags)
  done = call(
    *(f"--config={config}:tiny", f"--workdir=out/{workdir}", *flags),
    **{"devices": devices, "cwd": folder} | options,
  )
  assert done.code == code, done.err
  return done


def net(arrays, start):
  """The arrays of a checkpoint under a path, by the rest of theirs."""
  return {
    name.removeprefix(start): x
    for name, x in arrays.items()
    if name.startswith(start)
  }


def test_a_frozen_teacher_is_two_files(folder):
  first, *_, last = metrics(folder / "out/distilled")
  assert first["train/teacher"] > 0 and "test/teacher" in last
  total = first["train/labels"] / 2 + first["train/teacher"] / 2
  assert first["train/loss"] == pytest.approx(total)


def test_a_frozen_teacher_is_in_no_checkpoint_but_its_fingerprint(folder):
  names = stored(folder / "out/distilled")
  assert not [name for name in names if "teacher" in name]
  extra = folder / f"out/distilled/checkpoints/{STEPS}/extra/metadata"
  manifest = json.loads((folder / "out/distilled/manifest.json").read_text())
  given = manifest["runs"][-1]["fixed"]
  assert given.keys() == {"teacher"} and len(given["teacher"]) == 16
  assert json.loads(extra.read_text())["fixed"] == given


def test_a_moved_teacher_goes_on_bit_for_bit_and_another_is_refused(folder):
  config, workdir = "digits_distilled.py", folder / "out/stopped"
  train(folder, config, "stopped", stop_at=2)
  before = stored(workdir)
  refused = train(
    folder, config, "stopped", "--fixed.teacher=out/another", code=2
  )
  assert "fixed net 'teacher': its weights have the finger" in refused.err
  assert "--fixed.teacher=PATH" in refused.err
  assert_same(stored(workdir), before)
  shutil.copytree(folder / "out/teacher", folder / "out/moved")
  train(folder, config, "stopped", "--fixed.teacher=out/moved")
  assert_same(stored(workdir), stored(folder / "out/distilled"))


@pytest.mark.parametrize(
  "flag, message",
  [
    ("--fixed.teacher=out/gone", "--fixed.teacher=PATH"),
    ("--fixed.techer=out/moved", "did you mean 'teacher'"),
    ("--fixed.teacher=out/another", "expected the same"),
  ],
)
def test_evaluation_refuses_another_teacher(folder, flag, message):
  flags = ("--mode=eval", "--workdir=out/distilled")
  done = call(*flags, flag, cwd=folder, devices=1)
  assert done.code == 2 and message in done.err, done.err


def test_a_step_is_not_taken_apart_with_another_teacher(folder):
  again = ("--debug=step:5", "--config.steps=5", "--fixed.teacher=out/another")
  done = train(folder, "digits_distilled.py", "distilled", *again, code=2)
  assert "fixed net 'teacher': its weights have the finger" in done.err


def test_evaluation_reads_the_teacher(folder):
  flags = ("--mode=eval", "--workdir=out/distilled")
  done = call(*flags, cwd=folder, devices=1)
  *_, last = metrics(folder / "out/distilled")
  given = json.loads(done.out)
  assert given["test/teacher"] == pytest.approx(last["test/teacher"])


def test_a_prediction_says_where_a_fixed_net_is_given(folder):
  """And before it looks at any image."""
  flags = ("--mode=predict", "--workdir=out/distilled", "--images=x.png")
  gone = ("--output=out/predicted", "--fixed.teacher=out/gone")
  done = call(*flags, *gone, cwd=folder, devices=1)
  assert done.code == 2 and "--fixed.teacher=PATH" in done.err, done.err


def test_a_second_net_is_two_files(folder):
  first, *_, last = metrics(folder / "out/mean")
  assert first["train/teacher"] > 0 and 0 <= last["test/accuracy"] <= 1
  assert net(stored(folder / "out/mean"), "ema/params/teacher/")


def test_a_second_net_follows_by_its_schedule(folder):
  flags = ("--config.save_every=1", "--config.keep_every=1")
  train(folder, "digits_mean_teacher.py", "followed", *flags)
  workdir = folder / "out/followed"
  momentum = optax.linear_schedule(0.9, 0.999, STEPS)
  for step in range(1, STEPS):
    then, now = stored(workdir, step), stored(workdir, step + 1)
    for kind in ("params/", "stats/"):
      model = net(now, f"{kind}model/")
      moved = net(now, f"ema/{kind}teacher/")
      assert moved.keys() == model.keys()
      for name, x in net(then, f"ema/{kind}teacher/").items():
        expected = x + (1 - momentum(step)) * (model[name] - x)
        np.testing.assert_allclose(moved[name], expected, rtol=1e-4, atol=1e-6)


def test_a_second_net_goes_on_bit_for_bit(folder):
  train(folder, "digits_mean_teacher.py", "halved", stop_at=2)
  train(folder, "digits_mean_teacher.py", "halved")
  assert_same(stored(folder / "out/halved"), stored(folder / "out/mean"))


@pytest.mark.parametrize("execution", ["jit", "fsdp", "pmap"])
@pytest.mark.parametrize(
  "config", ["digits_distilled.py", "digits_mean_teacher.py"]
)
def test_other_nets_are_the_same_under_every_execution(
  folder, config, execution, monkeypatch
):
  monkeypatch.chdir(folder)
  make = lambda: recipe.load(f"{config}:tiny").build()
  assert_equal_everywhere(make, [execution], rounding=1e-4)


@pytest.mark.parametrize(
  "config, execution",
  [("digits_distilled.py", "fsdp"), ("digits_mean_teacher.py", "pmap")],
)
def test_other_nets_resume_under_other_executions(
  folder, config, execution, monkeypatch, tmp_path
):
  monkeypatch.chdir(folder)
  make = lambda: recipe.load(f"{config}:tiny").build()
  assert_resumes(make, tmp_path, where=execution)
  # And the fingerprint goes with it.
  run_somewhere(make, execution, tmp_path / "resumed", steps=4)
