"""A call that ends in time, and goes on the next time."""

import json
import time

import pytest

from benchmarks import environment, execute, lines, logged, run
from benchmarks.suite import GROUPS, SUITES, row_named, rows_of

HARDWARE = {
  "platform": "cpu",
  "device_kind": "cpu",
  "device_count": 1,
  "cpu": "Some CPU",
  "cpu_cores": 2,
}
DIGITS = ("--suite=quick", "--rows=digits_cnn", "--seeds=3")

# What a row of digits tells besides its metric.
BESIDE = dict.fromkeys(row_named("digits_cnn").also, 0.9)


def test_a_run_that_is_not_done_in_time_is_asked_to_stop(tmp_path):
  start = time.monotonic()
  with pytest.raises(execute.OutOfTime):  # it would serve for ever
    execute.call("http.server", ["0"], tmp_path / "log", start + 0.5)
  assert 0.5 <= time.monotonic() - start < 60


def test_what_was_measured_is_kept_and_the_rest_goes_on(
  tmp_path, monkeypatch, capsys
):
  trained = []

  def train(row, seed, plan, folder):
    if seed == 2 and plan.until < float("inf"):
      raise execute.OutOfTime
    trained.append(seed)
    (folder / "workdir").mkdir(parents=True)
    line = {"step": 20, "time": 1.0, "test/accuracy": 0.8, **BESIDE}
    (folder / "workdir/metrics.jsonl").write_text(json.dumps(line) + "\n")
    (folder / "workdir/config.json").write_text('{"values": {"steps": 20}}')

  monkeypatch.setattr(execute, "train", train)
  monkeypatch.setattr(environment, "probe", lambda: HARDWARE)
  monkeypatch.setattr(logged, "lacking", lambda names, arguments: [])
  arguments = [*DIGITS, f"--output={tmp_path}"]
  assert run.main([*arguments, "--budget=1m"]) == 0
  shown = capsys.readouterr().out
  assert "digits_cnn: stopped, as the budget is used up; the same" in shown
  assert not (tmp_path / "results.jsonl").exists()  # a row is all its seeds
  assert run.main(arguments) == 0 and trained == [0, 1, 2]
  (found,) = lines.read(tmp_path / "results.jsonl")
  assert found.seeds == [0, 1, 2]


def test_the_rows_of_a_gpu_are_of_one():
  rows = rows_of("gpu")
  assert len({row.name for row in rows}) == len(rows) >= 12
  assert {row.needs for row in rows} == {"gpu"}
  assert rows[0].seconds <= rows[-1].seconds
  assert not {*GROUPS} & {*SUITES}
  assert rows_of("quick") == SUITES["quick"]


@pytest.mark.parametrize("budget", ["0", "soon", "-5m"])
def test_bad_input(budget, tmp_path, capsys):
  with pytest.raises(SystemExit) as stopped:
    run.main([*DIGITS, f"--budget={budget}", f"--output={tmp_path}"])
  assert stopped.value.code == 2
  assert "such as 90s, 25m or 1h" in " ".join(capsys.readouterr().err.split())
