"""Seeds as jobs: in this process, in others, and where there is no cluster."""

import json

import pytest

from benchmarks import environment, execute, launcher, lines, logged, run
from benchmarks.finished import RunFailed
from benchmarks.suite import row_named
from vision_jax.errors import UserError

HARDWARE = {
  "platform": "cpu",
  "device_kind": "cpu",
  "device_count": 1,
  "cpu": "Some CPU",
  "cpu_cores": 2,
}
DIGITS = ("--suite=quick", "--rows=digits_cnn")

# What a row of digits tells besides its metric.
BESIDE = dict.fromkeys(row_named("digits_cnn").also, 0.9)


@pytest.fixture
def trained(monkeypatch):
  """Replaces training, in this process; what was run."""
  calls = []

  def train(row, seed, plan, folder):
    calls.append(seed)
    if seed == 7:
      raise RunFailed("exit code 3")
    (folder / "workdir").mkdir(parents=True)
    line = {
      "step": 20,
      "time": 1.0,
      "test/accuracy": 0.8 + seed / 100,
      **BESIDE,
    }
    (folder / "workdir/metrics.jsonl").write_text(json.dumps(line) + "\n")
    (folder / "workdir/config.json").write_text('{"values": {"steps": 20}}')

  monkeypatch.setattr(execute, "train", train)
  monkeypatch.setattr(environment, "probe", lambda: HARDWARE)
  monkeypatch.setattr(logged, "lacking", lambda names, arguments: [])
  return calls


@pytest.fixture
def in_process(monkeypatch):
  """Replaces submitit's executor by one that runs jobs as it gets them."""
  submitit = pytest.importorskip("submitit")
  monkeypatch.setattr(submitit, "AutoExecutor", Here)


class Here:
  def __init__(self, folder, cluster):
    self.folder, self.asked = folder, {}

  def update_parameters(self, **values):
    self.asked |= values

  def submit(self, fn, *args):
    return Job(fn, args)


class Job:
  job_id = "17"

  def __init__(self, fn, args):
    self._fn, self._args = fn, args

  def result(self):
    from submitit.core.utils import FailedJobError

    try:
      return self._fn(*self._args)
    except Exception as error:
      trace = f"Traceback:\n  a line\nbenchmarks.RunFailed: {error}\n"
      raise FailedJobError(f"Job 17 failed\n{trace}") from error


def test_jobs_give_what_seeds_one_by_one_give(
  trained, in_process, tmp_path, capsys
):
  arguments = [*DIGITS, "--seeds=2"]
  one, jobs = tmp_path / "one", tmp_path / "jobs"
  assert run.main([*arguments, f"--output={one}"]) == 0
  flags = ["--launcher=local", "--launcher.timeout_min=5"]
  assert run.main([*arguments, *flags, f"--output={jobs}"]) == 0
  assert "submitted 2 jobs; logs in" in capsys.readouterr().out
  assert trained == [0, 1, 0, 1]
  (first,), (second,) = (lines.read(x / "results.jsonl") for x in (one, jobs))
  assert second.values == first.values == [0.8, 0.81]
  assert second.hardware == HARDWARE


def test_a_job_that_fails_is_a_failed_run(trained, in_process, tmp_path):
  found = launcher.Launcher("local", {}, tmp_path / "logs")
  plan = execute.Plan(tmp_path, hardware=HARDWARE)
  (row,) = [x for x in run.rows_of("quick") if x.name == "digits_cnn"]
  outcome_of = found.seeds([(row, 7, plan)])
  with pytest.raises(
    RunFailed, match=r"^job 17: benchmarks.RunFailed: exit code 3$"
  ):
    outcome_of(row, 7, plan)


@pytest.mark.slow
def test_a_job_in_another_process(tmp_path):
  flags = ["--launcher=local", "--variant=tiny", "--seeds=1"]
  assert run.main([*DIGITS, *flags, f"--output={tmp_path}"]) == 0
  (found,) = lines.read(tmp_path / "results.jsonl")
  assert found.seeds == [0] and found.hardware["platform"] == "cpu"


def test_a_key_that_no_launcher_has(tmp_path):
  with pytest.raises(UserError, match=r"--launcher\.KEY=VALUE: got partytion"):
    launcher.Launcher("local", {"partytion": "gpu"}, tmp_path)


@pytest.mark.parametrize(
  ("flags", "message"),
  [
    (["--launcher=pbs"], "--launcher: got 'pbs'; expected one of slurm, local"),
    (["--launcher=slurm"], "there is no sbatch here"),
    (["--launcher.partition=gpu"], "there is no --launcher"),
    (["--launcher=local", "--budget=5m"], "--launcher.timeout_min=MINUTES"),
  ],
)
def test_bad_input(flags, message, tmp_path, capsys, monkeypatch):
  monkeypatch.setattr(launcher.shutil, "which", lambda name: None)
  try:
    code = run.main([*DIGITS, *flags, f"--output={tmp_path}"])
  except SystemExit as stopped:
    code = stopped.code
  assert code == 2
  assert message in " ".join(capsys.readouterr().err.split())
