"""Results, the checks they must pass, and the report."""

import dataclasses
import json
import pathlib

import pytest

from benchmarks import environment, execute, report, result, statistics, tables
from benchmarks.suite import SUITES
from benchmarks.suites.classification import MNIST

HARDWARE = {
  "platform": "cpu",
  "device_kind": "cpu",
  "device_count": 1,
  "cpu": "Some CPU",
  "cpu_cores": 2,
}


def plan(tmp_path=pathlib.Path(), **changes):
  return execute.Plan(output=tmp_path, hardware=HARDWARE, **changes)


def outcome(seed, value, **changes):
  speed = dict.fromkeys(execute.SPEED_KEYS, 10.0)
  return {
    "seed": seed,
    "value": value,
    **speed,
    "seconds": 12.0,
    "hardware": HARDWARE,
    "versions": {"jax": "0"},
    "git_commit": "abc",
    "date": f"2026-01-0{seed + 1}T00:00:00+00:00",
    **changes,
  }


def lenet(**changes):
  return dataclasses.replace(MNIST[0], **changes)


def lenet_result(values=(0.99, 0.991, 0.992), **changes):
  outcomes = [outcome(seed, value) for seed, value in enumerate(values)]
  return result.make_result(lenet(), outcomes, plan(**changes))


def test_recalled_reference_never_gates():
  row = lenet(reference="digits_svc_sklearn")
  outcomes = [outcome(0, 0.99), outcome(1, 0.99)]
  line = result.make_result(row, outcomes, plan())
  assert line["verdict"] == statistics.NOT_COMPARABLE


def test_result_carries_everything():
  line = lenet_result()
  result.validate(line)
  assert line["mean"] == pytest.approx(0.991)
  assert line["seeds"] == [0, 1, 2]
  assert line["values"] == [0.99, 0.991, 0.992]
  assert line["reference"]["value"] == 0.9905
  assert line["reference"]["source_url"] and line["reference"]["protocol"]
  assert line["verdict"] == statistics.REPRODUCED
  assert line["target_met"] is True
  assert line["mfu"] is None  # a CPU's peak is not known
  assert line["images_per_s"] == 10.0
  assert "--config.seed=0" in line["command"]
  assert json.loads(json.dumps(line)) == line


def test_target_is_separate_from_the_verdict():
  line = lenet_result(values=(0.9895, 0.9895))
  assert line["verdict"] == statistics.REPRODUCED
  assert line["target_met"] is False


@pytest.mark.parametrize(
  "change", [{"variant": "tiny"}, {"overrides": {"lr": "1"}}]
)
def test_changed_recipe_is_not_comparable(change):
  line = lenet_result(**change)
  assert line["verdict"] == statistics.NOT_COMPARABLE
  assert line["target_met"] is None


def test_absent_row_has_a_reason_and_no_number():
  line = result.make_absent(lenet(), plan(), "no data")
  result.validate(line)
  assert line["verdict"] == statistics.NOT_RUN
  assert line["mean"] is None and line["values"] == []
  assert line["reason"] == "no data"


@pytest.mark.parametrize(
  "key",
  ["config", "overrides", "command", "protocol", "seeds", "hardware"],
)
@pytest.mark.parametrize("missing", ["absent", None])
def test_line_without_recipe_seeds_or_hardware_is_refused(key, missing):
  line = lenet_result()
  if missing == "absent":
    del line[key]
  else:
    line[key] = None
  with pytest.raises(result.BadResult, match=key):
    result.validate(line, "results.jsonl:1")


@pytest.mark.parametrize(
  ("change", "message"),
  [
    ({"verdict": "great"}, "great"),
    ({"mean": None}, "mean"),
    ({"verdict": statistics.NOT_RUN}, "mean"),
    ({"values": [0.9]}, "1 values of 3 seeds"),
    ({"hardware": {**HARDWARE, "cpu": None}}, "hardware.cpu"),
  ],
)
def test_inconsistent_line_is_refused(change, message):
  with pytest.raises(result.BadResult, match=message):
    result.validate({**lenet_result(), **change})


def test_figure_that_a_run_did_not_report_stays_blank():
  outcomes = [outcome(0, 0.99), outcome(1, 0.99, images_per_s=None)]
  line = result.make_result(lenet(), outcomes, plan())
  assert line["images_per_s"] is None
  assert tables.speed_cells(line)[1] == ""


def test_report_refuses_a_line_without_hardware(tmp_path, capsys):
  line = lenet_result()
  del line["hardware"]
  file = tmp_path / "bad.jsonl"
  file.write_text(json.dumps(line) + "\n")
  assert report.main([f"--input={file}"]) == 2
  error = capsys.readouterr().err
  assert "bad.jsonl:1" in error and "hardware" in error


def test_report_without_input_says_so(tmp_path, capsys):
  assert report.main([f"--input={tmp_path / 'none.jsonl'}"]) == 2
  assert "none.jsonl" in capsys.readouterr().err


def test_readme_block_is_rewritten_and_nothing_else(tmp_path):
  file = tmp_path / "results.jsonl"
  result.write([lenet_result()], file)
  readme = tmp_path / "README.md"
  speeds = "\n".join(report.SPEED)
  tail = f"middle\n{speeds}\ntail\n"
  readme.write_text(f"head\n{report.BEGIN}\nOUTDATED\n{report.END}\n{tail}")
  arguments = [f"--input={file}", f"--readme={readme}"]
  assert report.main(arguments) == 0
  text = readme.read_text()
  assert text.startswith(f"head\n{report.BEGIN}\n")
  assert f"{report.END}\nmiddle\n{report.SPEED[0]}\n" in text
  assert text.endswith(f"{report.SPEED[1]}\ntail\n")
  assert "OUTDATED" not in text and "99.10 ± 0.10" in text
  for rows in SUITES.values():
    assert all(f"| {row.name} |" in text for row in rows)
  assert report.main(arguments) == 0 and readme.read_text() == text


def test_readme_without_a_block_is_refused(tmp_path, capsys):
  readme = tmp_path / "README.md"
  readme.write_text("nothing\n")
  arguments = [f"--input={tmp_path}", f"--readme={readme}"]
  assert report.main(arguments) == 2
  assert report.BEGIN in capsys.readouterr().err
  assert readme.read_text() == "nothing\n"


def test_newest_result_of_a_row_on_a_device_is_shown():
  old, new = lenet_result(), lenet_result(values=(0.5, 0.5))
  new["date"] = "2027-01-01T00:00:00+00:00"
  other = {**lenet_result(), "hardware": {**HARDWARE, "device_kind": "TPU v4"}}
  kept = report.newest([new, old, other])
  assert len(kept) == 2 and new in kept and other in kept


def test_committed_results_are_valid_and_in_the_readme():
  lines = report.newest(result.read(report.RESULTS))
  text = (environment.ROOT / "README.md").read_text(encoding="utf-8")
  assert report.fill(text, report.with_absent(lines)) == text
