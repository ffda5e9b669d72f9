"""Two processes train as one does, stop together and resume as one."""

import json

import numpy as np
import pytest

from tests.programs.command import (
  BLOBS,
  assert_same,
  call,
  finish,
  free_port,
  metrics,
  spawn,
  steps,
  stored,
  train,
  wait_for,
)
from tests.programs.files import cut_short, write_folder

SIGNALLED = ("-m", "tests.programs.signalled")
LATE = ("-m", "tests.programs.late", "0.5")
ROUNDING = 2e-5


def slow(*values):
  """Parameters for `pytest -m slow`: every process compiles for itself."""
  return [pytest.param(value, marks=pytest.mark.slow) for value in values]


def start_two(*flags, first=(), second=(), devices=2):
  """Starts two processes of a run; `first` and `second` go before `-m`."""
  address = f"--coordinator=127.0.0.1:{free_port()}"
  return [
    spawn(
      *([*before[2:]] if before else []),
      address,
      "--num_processes=2",
      f"--process_id={i}",
      *flags,
      devices=devices,
      before=before[:2],
    )
    for i, before in enumerate((first, second))
  ]


def run_two(workdir, *flags, **options):
  """Trains the small config in two processes; returns how each ended."""
  flags = (f"--config={BLOBS}", f"--workdir={workdir}", *flags)
  results = [finish(process) for process in start_two(*flags, **options)]
  for result in results:
    assert result.code == 0, result.err
    assert "Traceback" not in result.err
  return results


@pytest.fixture(scope="module")
def one(tmp_path_factory):
  """The workdir of a run in one process on one device."""
  workdir = tmp_path_factory.mktemp("one")
  train(workdir, devices=1)
  return workdir


@pytest.mark.parametrize("execution", slow("jit", "fsdp", "pmap"))
def test_two_processes_equal_one(tmp_path, one, execution):
  first, second = run_two(tmp_path, f"--execution={execution}")
  assert_same(stored(tmp_path), stored(one), rounding=ROUNDING)
  lines, expected = metrics(tmp_path), metrics(one)
  assert [x.keys() for x in lines] == [x.keys() for x in expected]
  for line, wanted in zip(lines, expected, strict=True):
    for name, x in wanted.items():
      np.testing.assert_allclose(line[name], x, rtol=1e-4, err_msg=name)
  assert "Step 13 of 13" in first.err  # logged once
  assert second.err == ""
  manifest = json.loads((tmp_path / "manifest.json").read_text())
  assert manifest["runs"][0]["devices"]["count"] == 4
  assert manifest["runs"][0]["devices"]["processes"] == 2


@pytest.mark.slow
@pytest.mark.parametrize("who", ["first", "second"])
def test_one_that_is_late_sees_the_steps_that_the_other_drops(tmp_path, who):
  flags = ("--config.eval_every=1", "--config.steps=6")
  run_two(tmp_path, *flags, devices=1, **{who: LATE})
  lines = [x for x in metrics(tmp_path) if "val/accuracy" in x]
  assert [x["step"] for x in lines] == [1, 2, 3, 4, 5, 6]
  best = max(lines, key=lambda x: (x["val/accuracy"], x["step"]))["step"]
  assert steps(tmp_path) == sorted({best, 6})


@pytest.mark.slow
@pytest.mark.parametrize("who", ["first", "second"])
def test_sigterm_to_one_stops_both_at_one_step(tmp_path, who):
  flags = ("--config.horizon=9000", "--config.lr=0.01", "--config.log_every=50")
  endless = "--config.steps=9000"
  results = run_two(tmp_path, endless, *flags, **{who: (*SIGNALLED, "7")})
  at = steps(tmp_path)[-1]
  assert f"SIGTERM: saved step {at} of 9000" in results[0].err
  assert 7 <= at < 9000
  end = f"--config.steps={at + 5}"
  again = train(tmp_path / ".", end, *flags, devices=1)  # one process goes on
  assert f"Resuming at step {at} of {at + 5}." in again.err
  whole = tmp_path / "whole"
  train(whole, end, *flags, devices=1)
  assert_same(stored(tmp_path), stored(whole), rounding=5e-4)


@pytest.mark.slow
def test_evaluation_in_two_processes_equals_one(tmp_path, one):
  processes = start_two("--mode=eval", f"--workdir={one}")
  results = [finish(process) for process in processes]
  assert [result.code for result in results] == [0, 0], results
  got = json.loads(results[0].out.splitlines()[-1])
  alone = json.loads(call("--mode=eval", f"--workdir={one}").out)
  assert got.keys() == alone.keys()
  for name in alone.keys() - {"checkpoint"}:
    np.testing.assert_allclose(got[name], alone[name], rtol=1e-5)
  assert "{" not in results[1].out


@pytest.mark.slow
def test_slurms_tasks_find_each_other(tmp_path):
  slurm = {
    "SLURM_JOB_ID": "7",
    "SLURM_STEP_NODELIST": "localhost",
    "SLURM_NTASKS": "2",
    "JAX_COORDINATOR_PORT": str(free_port()),
  }
  flags = (f"--config={BLOBS}", f"--workdir={tmp_path}", "--config.steps=1")
  which = ({"SLURM_PROCID": str(i), "SLURM_LOCALID": str(i)} for i in range(2))
  tasks = [spawn(*flags, env=slurm | own) for own in which]
  results = [finish(task) for task in tasks]
  assert [result.code for result in results] == [0, 0], results
  manifest = json.loads((tmp_path / "manifest.json").read_text())
  assert manifest["runs"][0]["devices"]["processes"] == 2


@pytest.mark.slow
def test_an_error_in_one_process_ends_both(tmp_path):
  """The other waits in the middle of a step, but not for minutes."""
  files = write_folder(tmp_path / "data")
  for file in files[5:7]:
    cut_short(file)
  flags = (f"--config.data_dir={tmp_path / 'data'}", "--config.holdout=8")
  flags += ("--config.batch_size=4", f"--config={BLOBS}")
  processes = start_two(f"--workdir={tmp_path / 'run'}", *flags)
  results = [finish(process) for process in processes]
  assert 2 in [result.code for result in results]
  assert 0 not in [result.code for result in results]
  assert any("a whole, decodable image" in result.err for result in results)


@pytest.mark.slow
def test_when_one_dies_the_others_end_with_one_line(tmp_path):
  flags = (f"--config={BLOBS}", f"--workdir={tmp_path}", "--config.steps=90000")
  flags += ("--config.horizon=90000", "--config.eval_every=0")
  flags += ("--num_processes=3", "--config.lr=0.001", "--config.batch_size=12")
  flags += (f"--coordinator=127.0.0.1:{free_port()}",)
  three = [spawn(*flags, f"--process_id={i}", devices=1) for i in range(3)]
  wait_for(tmp_path / "checkpoints" / "4", three[0])
  three[1].kill()
  for left in (finish(three[0]), finish(three[2])):
    assert left.code == 3, left.err
    lines = left.err.splitlines()  # what comes after the last step's
    steps = [i for i, x in enumerate(lines) if x.startswith("step ")]
    logged = lines[steps[-1] + 1 if steps else 0 :]
    assert len(logged) == 1, left.err
    assert logged[0].startswith("error: Another process of this run has ended")
  finish(three[1])
