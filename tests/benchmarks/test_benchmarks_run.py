"""The benchmark runner: seeds, resuming, failures and bad arguments."""

import dataclasses
import datetime
import json
import math
import pathlib

import pytest

from benchmarks import (
  against,
  digit_folders,
  environment,
  execute,
  finished,
  lines,
  logged,
  options,
  run,
  statistics,
)
from benchmarks.row import Row
from benchmarks.suite import SUITES, row_named
from benchmarks.suites.classification import MNIST
from vision_jax.recipe import sources

DIGITS = ("--suite=quick", "--rows=digits_cnn")
HARDWARE = {
  "platform": "cpu",
  "device_kind": "cpu",
  "device_count": 1,
  "cpu": "Some CPU",
  "cpu_cores": 2,
}

# What a row of digits tells besides its metric.
BESIDE = dict.fromkeys(row_named("digits_cnn").also, 0.9)


def lenet(**changes):
  return dataclasses.replace(MNIST[0], **changes)


def write_workdir(folder, lines, steps=20):
  workdir = folder / "workdir"
  workdir.mkdir(parents=True)
  text = "".join(json.dumps(line) + "\n" for line in lines)
  (workdir / "metrics.jsonl").write_text(text)
  config = {"values": {"steps": steps, "seed": 0}}
  (workdir / "config.json").write_text(json.dumps(config))
  return workdir


LINES = [
  {"step": 1, "time": 100.0, "time/compile_s": 3.0, "time/compile_cached": 0.0},
  {"step": 10, "time": 109.0, "test/accuracy": 0.5},
  {
    "step": 20,
    "time": 120.0,
    "test/accuracy": 0.8,
    **BESIDE,
    "time/step_p50_ms": 900.0,
    "time/images_per_s": 32.0,
  },
]


def test_a_seed_shows_how_far_it_is(tmp_path, monkeypatch, capsys):
  """Its newest line of progress, each once, and where its log is."""
  lines = ["step 0/20  compiling ...", "step 3/20  9 images/s  0:01:00 left"]
  log = tmp_path / "log.txt"

  class Child:
    def wait(self, timeout):
      if not lines:
        return 0
      log.write_text("Parameters: 3\n" + lines.pop(0) + "\nsome warning\n")
      raise execute.subprocess.TimeoutExpired("run", timeout)

  monkeypatch.setattr(execute.subprocess, "Popen", lambda *_, **__: Child())
  execute.train(lenet(), 0, execute.Plan(tmp_path), tmp_path)
  assert capsys.readouterr().out.splitlines() == [
    f"mnist_lenet, seed 0: log in {log}",
    "  step 0/20  compiling ...",
    "  step 3/20  9 images/s  0:01:00 left",
  ]
  assert execute.how_far(log) == "step 3/20  9 images/s  0:01:00 left"


def test_measured_takes_the_last_value(tmp_path):
  workdir = write_workdir(tmp_path, LINES)
  got = finished.measured(lenet(), workdir)
  assert got["value"] == 0.8
  assert got["speed"]["compile_s"] == 3.0
  assert got["speed"]["images_per_s"] == 32.0
  assert got["speed"]["flops_per_step"] is None


def test_a_curve_keeps_its_end(tmp_path):
  workdir = write_workdir(tmp_path, LINES)
  got = finished.measured(lenet(curve=("test/accuracy", "none")), workdir)
  assert got["curve"] == {"test/accuracy": [[10, 0.5], [20, 0.8]], "none": []}
  assert "train/loss" in lenet().curves  # where a run has it
  lines = [{"step": n, "x": 2 * n} for n in range(1, 124)]
  thin = finished.curve(lines, "x")
  assert thin[-1] == [123, 246] and 25 < len(thin) <= finished.POINTS


def test_unfinished_run_is_not_measured(tmp_path):
  workdir = write_workdir(tmp_path, LINES, steps=40)
  with pytest.raises(finished.RunFailed, match="step 20 of 40"):
    finished.measured(lenet(), workdir)


def test_metric_that_is_not_there_is_named(tmp_path):
  workdir = write_workdir(tmp_path, LINES)
  with pytest.raises(finished.RunFailed, match="val/miou"):
    finished.measured(lenet(metric="val/miou"), workdir)


@pytest.mark.parametrize("value", [math.nan, math.inf, None])
def test_metric_that_is_no_number_is_a_failed_run(tmp_path, value):
  last = LINES[-1] | {"test/accuracy": value}
  workdir = write_workdir(tmp_path, [*LINES[:-1], last])
  with pytest.raises(finished.RunFailed, match="test/accuracy ended as"):
    finished.measured(lenet(time_to=0.5), workdir)


def test_metric_besides_the_rows_own_has_to_be_there(tmp_path):
  workdir = write_workdir(tmp_path, LINES)
  row = lenet(also=("test/other", "time/compile_s"))
  with pytest.raises(finished.RunFailed, match="test/other"):
    finished.measured(row, workdir)
  tiny = finished.measured(row, workdir, variant="tiny")
  assert tiny["also"] == {"time/compile_s": 3.0}


@pytest.mark.parametrize(
  ("goal", "higher", "expected"),
  [(0.5, True, 9.9), (0.95, True, None), (0.6, False, 9.9), (0.4, False, None)],
)
def test_seconds_to_leave_compilation_out(tmp_path, goal, higher, expected):
  workdir = write_workdir(tmp_path, LINES)
  row = lenet(time_to=goal, higher_is_better=higher)
  got = finished.measured(row, workdir)
  assert got["seconds_to"] == expected


def test_time_between_two_processes_of_a_run_is_not_counted(tmp_path):
  lines = [
    {"step": step, "time": float(time), "test/accuracy": value}
    for step, time, value in ((10, 110, 0.1), (20, 1125, 0.5))
  ]
  lines[-1]["time/step_p50_ms"] = 500.0
  workdir = write_workdir(tmp_path, lines)
  assert finished.spells(workdir) == []  # of a run that has not begun
  began = [datetime.datetime.fromtimestamp(t, datetime.UTC) for t in (90, 1100)]
  runs = [{"started": x.isoformat(timespec="seconds")} for x in began]
  (workdir / "manifest.json").write_text(json.dumps({"runs": runs}))
  assert finished.spells(workdir) == [(90, 110), (1100, 1125)]
  got = finished.measured(lenet(time_to=0.5), workdir)
  assert got["seconds_to"] == 5 + 25  # ten steps, and the second process


@pytest.fixture
def fake_training(monkeypatch):
  """Replaces the child process; returns the list of (row, seed) it ran."""
  calls = []

  def train(row, seed, plan, folder):
    calls.append((row.name, seed))
    write_workdir(folder, LINES)

  monkeypatch.setattr(execute, "train", train)
  monkeypatch.setattr(environment, "probe", lambda: HARDWARE)
  monkeypatch.setattr(logged, "lacking", lambda names, arguments: [])
  return calls


def test_suite_ends_with_a_table_and_files(fake_training, tmp_path, capsys):
  assert run.main([*DIGITS, f"--output={tmp_path}"]) == 0
  assert fake_training == [("digits_cnn", seed) for seed in range(3)]
  screen = capsys.readouterr().out
  assert "digits_cnn" in screen and "80.00" in screen
  for name in ("report.md", "report.html"):
    assert "80.00" in (tmp_path / name).read_text()
  assert "report.html, and as .md and .csv" in screen
  (found,) = lines.read(tmp_path / "results.jsonl")
  assert list(found.seeds) == [0, 1, 2] and found.mean == pytest.approx(0.8)
  assert found.target_met is False


def test_a_resumed_seeds_seconds_are_those_of_all_its_processes(
  fake_training, tmp_path, monkeypatch
):
  earlier = [(80.0, 100.0), (200.0, 230.0)]
  monkeypatch.setattr(execute, "spells", lambda workdir: earlier)
  run.main([*DIGITS, "--seeds=1", f"--output={tmp_path}"])
  (found,) = lines.read(tmp_path / "results.jsonl")
  assert 50 <= found.seconds < 60


def test_finished_seeds_are_not_run_again(fake_training, tmp_path):
  arguments = [*DIGITS, f"--output={tmp_path}"]
  run.main([*arguments, "--seeds=1"])
  run.main([*arguments, "--seeds=2"])
  assert fake_training == [("digits_cnn", 0), ("digits_cnn", 1)]
  run.main([*arguments, "--seeds=1", "--fresh"])
  assert fake_training[2:] == [("digits_cnn", 0)]


def test_result_of_another_recipe_is_not_reused(
  fake_training, tmp_path, capsys
):
  arguments = [*DIGITS, f"--output={tmp_path}", "--seeds=1"]
  run.main(arguments)
  assert run.main([*arguments, "--config.lr=3"]) == 1
  assert "--fresh" in capsys.readouterr().out


@pytest.mark.parametrize(
  ("name", "value"),
  [
    ("source_hash", lambda config, *_: f"other sources of {config}"),
    ("versions", lambda: {"jax": "other"}),
    ("probe", lambda: {**HARDWARE, "device_kind": "NVIDIA H100"}),
  ],
)
@pytest.mark.parametrize("finished", [True, False])
def test_run_of_other_code_or_machine_is_not_reused_or_resumed(
  name, value, finished, fake_training, tmp_path, monkeypatch, capsys
):
  arguments = [*DIGITS, f"--output={tmp_path}"]
  run.main([*arguments, "--seeds=1"])
  if not finished:
    (tmp_path / "digits_cnn/seed0/outcome.json").unlink()
  monkeypatch.setattr(environment, name, value)
  assert run.main([*arguments, "--seeds=2"]) == 1
  assert fake_training == [("digits_cnn", 0)]
  assert "holds another run" in capsys.readouterr().out


def test_another_commit_of_the_same_sources_is_the_same_run(
  fake_training, tmp_path, monkeypatch
):
  arguments = [*DIGITS, f"--output={tmp_path}"]
  run.main([*arguments, "--seeds=1"])
  monkeypatch.setattr(environment, "git_commit", lambda: "other commit")
  assert run.main([*arguments, "--seeds=1"]) == 0
  assert fake_training == [("digits_cnn", 0)]


def test_sources_are_those_of_the_config_and_of_what_trains_it(monkeypatch):
  config = "configs/classification/digits_cnn.py"
  before = environment.source_hash(config)
  read = sources.read

  def after(edited):
    change = lambda file: (
      read(file)[0] + (edited if edited in str(file) else "")
    )
    monkeypatch.setattr(sources, "read", lambda f: (change(f), read(f)[1]))
    return environment.source_hash(config)

  assert after("no such file") == after("models/detection/") == before
  assert after("train/loop.py") != before != after("tasks/classification.py")


def test_another_call_keeps_the_rows_of_the_first(fake_training, tmp_path):
  tiny = ("--suite=mnist", "--variant=tiny", "--seeds=1")
  output = f"--output={tmp_path}"
  for names in ("mnist_vit", "mnist_lenet", "mnist_vit"):
    assert run.main([*tiny, output, f"--rows={names}"]) == 0
  found = lines.read(tmp_path / "results.jsonl")
  assert [x.row.name for x in found] == ["mnist_lenet", "mnist_vit"]
  text = (tmp_path / "report.md").read_text()
  assert "| mnist_lenet |" in text and "| mnist_vit |" in text
  run.main([*tiny, output, "--rows=mnist_cnn", "--fresh"])
  (only,) = lines.read(tmp_path / "results.jsonl")
  assert only.row.name == "mnist_cnn"


def test_results_of_another_form_are_not_overwritten(
  fake_training, tmp_path, capsys
):
  (tmp_path / "results.jsonl").write_text('{"row": "digits_cnn"}\n')
  with pytest.raises(SystemExit) as exit_info:
    run.main([*DIGITS, f"--output={tmp_path}"])
  assert exit_info.value.code == 2 and not fake_training
  assert "results.jsonl:1" in capsys.readouterr().err


def test_a_metric_that_is_not_finite_fails_its_row_and_not_the_suite(
  fake_training, tmp_path, monkeypatch, capsys
):
  broken = [LINES[0], LINES[-1] | {"test/accuracy": math.nan}]

  def train(row, seed, plan, folder):
    write_workdir(folder, broken if row.name == "mnist_lenet" else LINES)

  monkeypatch.setattr(execute, "train", train)
  tiny = ("--suite=mnist", "--variant=tiny", "--seeds=1")
  assert run.main([*tiny, f"--output={tmp_path}"]) == 1
  found = lines.read(tmp_path / "results.jsonl")
  verdicts = {x.row.name: x.verdict for x in found}
  assert verdicts["mnist_lenet"] == statistics.FAILED
  assert verdicts["mnist_cnn"] == statistics.NOT_COMPARABLE
  assert "failed: mnist_lenet" in capsys.readouterr().err


ALSO = ("test/loss", "test/accuracy", "test/ema/accuracy", "time/compile_s")


def test_a_metric_that_a_run_does_not_give_is_found_before_it(
  fake_training, tmp_path, monkeypatch
):
  monkeypatch.undo()
  train = lambda *_: pytest.fail("trained for a metric that does not come")
  monkeypatch.setattr(execute, "train", train)
  row = lenet(metric="test/acuracy", also=ALSO)
  plan = execute.Plan(tmp_path, hardware=HARDWARE)
  plan = dataclasses.replace(plan, overrides={"dataset": "digits"})
  monkeypatch.setattr(run, "missing", lambda *_: "")
  found = run.run_row(row, [0], plan)
  assert found.verdict == statistics.FAILED
  assert found.reason.endswith(
    "mnist_lenet.py gives no test/acuracy, test/ema/accuracy"
  )


def test_broken_row_is_reported_and_the_others_run(
  monkeypatch, fake_training, tmp_path, capsys
):
  train = execute.train

  def sometimes(row, *rest):
    if row.name == "mnist_cnn":
      raise finished.RunFailed("exit code 3, log in there:\ntrace")
    train(row, *rest)

  monkeypatch.setattr(execute, "train", sometimes)
  code = run.main(
    ["--suite=mnist", "--variant=tiny", "--seeds=1", f"--output={tmp_path}"]
  )
  assert code == 1
  assert fake_training == [
    *(("mnist_lenet", 0), ("mnist_cnn_modern", 0), ("mnist_vit", 0)),
  ]
  assert "failed: mnist_cnn" in capsys.readouterr().err
  found = {x.row.name: x for x in lines.read(tmp_path / "results.jsonl")}
  assert found["mnist_cnn"].verdict == "failed"
  assert "exit code 3" in found["mnist_cnn"].reason
  assert found["mnist_vit"].mean == 0.8


@pytest.mark.parametrize(
  ("suite", "reason"),
  [("mnist", "VISION_JAX_DATA"), ("imagenet", "needs an accelerator")],
)
def test_rows_without_data_or_hardware_have_no_number(
  suite, reason, fake_training, monkeypatch, tmp_path
):
  monkeypatch.delenv("VISION_JAX_DATA", raising=False)
  assert run.main([f"--suite={suite}", f"--output={tmp_path}"]) == 0
  assert not fake_training
  for found in lines.read(tmp_path / "results.jsonl"):
    assert found.verdict == statistics.NOT_RUN
    assert found.mean is None and reason in found.reason


@pytest.mark.parametrize(
  ("needs", "platform", "runs"),
  [
    ("cpu", "cpu", True),
    ("gpu", "cpu", False),
    ("gpu", "gpu", True),
    ("gpu", "tpu", True),
    ("tpu", "gpu", False),
    ("tpu", "tpu", True),
  ],
)
def test_hardware_that_a_row_needs(needs, platform, runs):
  here = execute.Plan(pathlib.Path(), hardware={"platform": platform})
  row = Row("x", "x.py", "x", "x", "x", 0.0, needs=needs)
  assert (run.missing(row, here) == "") == runs


def test_a_file_that_a_row_needs(tmp_path, monkeypatch):
  monkeypatch.setenv("VISION_JAX_DATA", str(tmp_path))
  here = execute.Plan(pathlib.Path(), hardware={"platform": "cpu"})
  row = Row("x", "x.py", "x", "x", "x", 0.0, file="weights.pth")
  assert "needs weights.pth in the folder" in run.missing(row, here)
  (tmp_path / "weights.pth").write_bytes(b"")
  assert run.missing(row, here) == ""


def test_a_folder_that_a_row_is_given_as_ones_own(tmp_path, monkeypatch):
  monkeypatch.setenv("VISION_JAX_DATA", str(tmp_path))
  here = execute.Plan(pathlib.Path(), hardware={"platform": "cpu"})
  row = row_named("own_images_cpu")
  reason = run.missing(row, here)
  assert "needs mnist_folders in the folder that VISION_JAX_DATA" in reason
  assert "(python -m benchmarks.digit_folders writes it)" in reason
  (tmp_path / "mnist_folders").mkdir()
  assert run.missing(row, here) == ""
  place = "--config.data_dir=$VISION_JAX_DATA/mnist_folders"
  words = execute.arguments(row, 0, "cpu", {})
  assert words[1:] == [place, "--config.seed=0"]
  assert f" '{place}' " in execute.command(row, 0, "cpu", {})
  assert place not in execute.arguments(row, 0, "tiny", {})


def test_a_part_of_a_net_begins_on_what_was_trained(tmp_path, monkeypatch):
  monkeypatch.setenv("VISION_JAX_DATA", str(tmp_path))
  here = execute.Plan(pathlib.Path(), hardware={"platform": "cpu"})
  row = row_named("own_rbc_400_begun_cpu")
  assert "--workdir=FOLDER/cifar10_narrow writes it" in run.missing(row, here)
  flag = "--init_from=model/backbone=$VISION_JAX_DATA/cifar10_narrow"
  assert execute.arguments(row, 0, "cpu", {})[1] == flag
  assert flag not in execute.arguments(row, 0, "tiny", {})


class Digits:
  """Five images of three classes."""

  labels = (2, 0, 2, 2, 1)

  def __len__(self):
    return 5

  def read(self, indices):
    return [{"image": b"%d" % i, "label": self.labels[i]} for i in indices]


def test_digits_are_written_as_a_folder_for_each_class(tmp_path):
  digit_folders.write(Digits(), tmp_path, each=2)
  found = {
    str(path.relative_to(tmp_path)): path.read_bytes()
    for path in tmp_path.rglob("*.png")
  }
  names = ("0/00001", "1/00004", "2/00000", "2/00002")
  assert found == {f"{x}.png": x[-1].encode() for x in names}


def test_the_command_ends_with_3_where_a_row_is_worse_than_before(
  fake_training, tmp_path, monkeypatch, capsys
):
  assert run.main([*DIGITS, f"--output={tmp_path / 'first'}"]) == 0
  earlier = f"--against={tmp_path / 'first'}"
  again = [*DIGITS, f"--output={tmp_path / 'again'}", earlier]
  assert run.main(again) == 0
  assert against.SAME in capsys.readouterr().out

  def train(row, seed, plan, folder):
    last = LINES[-1] | {"test/accuracy": 0.5 + seed / 100}
    write_workdir(folder, [*LINES[:-1], last])

  monkeypatch.setattr(execute, "train", train)
  assert run.main([*again, "--fresh"]) == 3
  assert "worse than before: digits_cnn" in capsys.readouterr().err
  page = (tmp_path / "again" / "report.md").read_text()
  assert "Beside earlier results" in page and "| worse |" in page


def test_several_suites_are_one_run():
  asked = options.read(["--suite=clouds,camvid,clouds,", "--seeds=2"])
  assert asked.suites == ["clouds", "camvid"]
  assert asked.rows == [*SUITES["clouds"], *SUITES["camvid"]]
  assert asked.output.name == "clouds_camvid"
  row = SUITES["camvid"][0]
  only = options.read(["--suite=clouds,camvid", f"--rows={row.name}"])
  assert only.rows == [row]


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    (["--suite=minst"], "mnist"),
    (["--suite=quick,minst"], "mnist"),
    (["--suite="], "quick"),
    (["--suite=quick", "--against=nowhere"], "folder 'nowhere'"),
    (["--suite=quick", "--rows=digit_cnn"], "digits_cnn"),
    (["--suite=quick", "--seeds=0"], "at least 1"),
    (["--suite=quick", "--row=x"], "--row=x"),
    (["--suite=quick", "--config.lr"], "--config.KEY=VALUE"),
    (["--suite=quick", "--config.seed=1"], "--seeds"),
    ([], "--suite"),
  ],
)
def test_bad_arguments_exit_with_2(
  arguments, message, fake_training, tmp_path, monkeypatch, capsys
):
  monkeypatch.chdir(tmp_path)
  with pytest.raises(SystemExit) as exit_info:
    run.main(arguments)
  assert exit_info.value.code == 2
  assert message in capsys.readouterr().err
