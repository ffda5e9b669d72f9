"""Sweeps: combinations, folders of their own, and the choice by val."""

import json
import xml.etree.ElementTree as ElementTree

import pytest

from benchmarks import environment, execute, lines, logged, run, sweep
from benchmarks.suite import row_named

HARDWARE = {
  "platform": "cpu",
  "device_kind": "cpu",
  "device_count": 1,
  "cpu": "Some CPU",
  "cpu_cores": 2,
}
DIGITS = ("--suite=quick", "--rows=digits_cnn", "--seeds=2")
SWEEP = "--sweep=lr:0.001,0.01,0.1"

# What a row of digits tells besides its metric.
BESIDE = dict.fromkeys(row_named("digits_cnn").also, 0.9)


@pytest.fixture
def trained(monkeypatch):
  """Replaces training: test is best at another rate than val; what was run."""
  calls = []

  def train(row, seed, plan, folder):
    rate = float(plan.overrides.get("lr", 0))
    calls.append((dict(plan.overrides), seed))
    val = {0.001: 0.7, 0.01: 0.9, 0.1: 0.8}.get(rate, 0.5)
    test = {0.001: 0.7, 0.01: 0.85, 0.1: 0.95}.get(rate, 0.5)
    line = {
      "step": 20,
      "time": 1.0,
      "test/accuracy": test + seed / 100,
      **BESIDE,
    }
    line["val/accuracy"] = val + seed / 100
    workdir = folder / "workdir"
    workdir.mkdir(parents=True)
    (workdir / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    (workdir / "config.json").write_text('{"values": {"steps": 20}}')

  monkeypatch.setattr(execute, "train", train)
  monkeypatch.setattr(environment, "probe", lambda: HARDWARE)
  monkeypatch.setattr(logged, "lacking", lambda names, arguments: [])
  return calls


def test_every_combination_is_run():
  found = sweep.read(["lr:0.1,0.2", "decay:0,1"])
  assert len(found) == 4 and found[1] == {"lr": "0.1", "decay": "1"}
  assert sweep.label(found[1]) == "lr=0.1,decay=1"
  assert sweep.read([]) == [{}] and sweep.label({}) == ""


def test_the_best_is_chosen_by_val(trained, tmp_path, capsys):
  assert run.main([*DIGITS, SWEEP, f"--output={tmp_path}"]) == 0
  assert [values["lr"] for values, seed in trained if not seed] == [
    *("0.001", "0.01", "0.1")
  ]
  assert f"sweep: {tmp_path / 'sweep.md'}" in capsys.readouterr().out
  page = (tmp_path / "sweep.md").read_text()
  assert "Best on val/accuracy: `lr=0.01`, with test/accuracy 0.855" in page
  assert "| 0.1 | 0.805 ± 0.0071 | 0.955 ± 0.0071 | 2 |" in page
  found = lines.read(tmp_path / "results.jsonl")
  assert [x.overrides["lr"] for x in found] == ["0.001", "0.01", "0.1"]
  assert {x.verdict for x in found} == {"not comparable"}
  drawn = ElementTree.parse(tmp_path / "sweep_digits_cnn.svg").getroot()
  dots = drawn.findall("{http://www.w3.org/2000/svg}circle")
  assert len(dots) == 6  # two seeds of three rates


def test_it_goes_on_where_it_stopped(trained, tmp_path):
  run.main([*DIGITS, "--sweep=lr:0.01", f"--output={tmp_path}"])
  run.main([*DIGITS, "--sweep=lr:0.01,0.1", f"--output={tmp_path}"])
  assert len(trained) == 4 and trained[2][0]["lr"] == "0.1"
  assert len(lines.read(tmp_path / "results.jsonl")) == 2
  again = ["--sweep=lr:0.01", "--fresh", f"--output={tmp_path}"]
  run.main([*DIGITS, *again])
  assert len(trained) == 6


def test_nothing_is_chosen_by_test(tmp_path):
  row = row_named("digits_cnn")
  assert sweep.of_val(row, tmp_path, 2) == []
  assert sweep.best([({"lr": "1"}, None, [])]) is None


@pytest.mark.parametrize(
  ("flags", "message"),
  [
    (["--sweep=lr"], "expected KEY:VALUE,VALUE"),
    (["--sweep=lr:"], "expected KEY:VALUE,VALUE"),
    (["--sweep=lr:1,1"], "expected each once"),
    (["--sweep=lr:1", "--sweep=lr:2"], "expected each once"),
    (["--sweep=lr:1", "--config.lr=2"], "'lr' is given by --config too"),
    (["--sweep=seed:1,2"], "say --seeds=N"),
  ],
)
def test_bad_input(flags, message, tmp_path, capsys):
  with pytest.raises(SystemExit) as stopped:
    run.main([*DIGITS, *flags, f"--output={tmp_path}"])
  assert stopped.value.code == 2
  assert message in " ".join(capsys.readouterr().err.split())
