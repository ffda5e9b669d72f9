"""Rows of published files: what is run, what is missing, what is met."""

import dataclasses
import hashlib
import json
import re

import numpy as np
import pytest

from benchmarks import execute, finished, lines, result, run, statistics
from benchmarks.suite import SUITES
from tests.benchmarks.test_benchmarks_run import HARDWARE
from vision_jax.interop import convert, files, leaves
from vision_jax.interop import published as interop

IMPORTED = SUITES["imported"]

LENET = next(row for row in IMPORTED if row.name == "imported_lenet_mnist")
EVERY = pytest.mark.parametrize("row", IMPORTED, ids=lambda row: row.name)


def outcome(value):
  return execute.Outcome(
    seed=0,
    value=value,
    also={},
    curve={},
    speed=dict.fromkeys(finished.SPEED_KEYS),
    seconds=3.0,
    seconds_to=None,
    hardware=HARDWARE,
    versions={},
    git_commit="",
    date="2026-01-01T00:00:00+00:00",
  )


def test_a_file_is_imported_and_evaluated():
  first, second = execute.command(LENET, 0, "", LENET.overrides).split(" && ")
  assert re.match(r"python -m vision_jax.main --mode=import ", first)
  assert "--source=csinva:lenet" in first and "--config.channels=1" in first
  assert "--config=" not in first and "seed=" not in first
  assert second.endswith(f"--mode=eval --workdir=out/{LENET.name}-0")
  tiny = execute.command(LENET, 0, "tiny", {})
  assert "--mode" not in tiny and ":tiny" in tiny


def test_what_was_imported_is_not_again(tmp_path, monkeypatch):
  called = []
  call = lambda words, log, until: called.append(words[0])
  monkeypatch.setattr(execute, "call_main", call)
  plan = execute.Plan(tmp_path)
  execute.train(LENET, 0, plan, tmp_path)
  assert called == ["--mode=import", "--mode=eval"]
  (tmp_path / "workdir").mkdir()
  execute.train(LENET, 0, plan, tmp_path)
  assert called[2:] == ["--mode=eval"]


def test_a_row_needs_its_file_and_no_other(tmp_path, monkeypatch):
  plan = execute.Plan(tmp_path, hardware=HARDWARE)
  monkeypatch.delenv("VISION_JAX_WEIGHTS", raising=False)
  assert "VISION_JAX_WEIGHTS names" in run.missing(LENET, plan)
  monkeypatch.setenv("VISION_JAX_WEIGHTS", str(tmp_path))
  file = tmp_path / LENET.file
  assert f"needs {LENET.file}" in run.missing(LENET, plan)
  file.parent.mkdir()
  file.write_bytes(b"weights")
  assert "is another file: sha256" in run.missing(LENET, plan)
  (tmp_path / "data" / "mnist").mkdir(parents=True)
  monkeypatch.setenv("VISION_JAX_DATA", str(tmp_path / "data"))
  known = hashlib.sha256(b"weights").hexdigest()
  row = dataclasses.replace(LENET, sha256=known)
  assert run.missing(row, plan) == ""


def test_an_evaluation_is_measured(tmp_path):
  row = dataclasses.replace(LENET, also=("test/loss",))
  with pytest.raises(finished.RunFailed, match="no evaluation"):
    finished.evaluated(row, tmp_path)
  found = [{"test/accuracy": 0.1}, {"test/accuracy": 0.9, "test/loss": 2.0}]
  file = tmp_path / "evaluations.jsonl"
  file.write_text("".join(json.dumps(x) + "\n" for x in found))
  got = finished.evaluated(row, tmp_path)
  assert (got["value"], got["also"]) == (0.9, {"test/loss": 2.0})
  with pytest.raises(finished.RunFailed, match="test/none"):
    finished.evaluated(dataclasses.replace(row, metric="test/none"), tmp_path)


@pytest.mark.parametrize(
  ("value", "verdict", "met"),
  [
    (0.9907, statistics.REPRODUCED, True),
    (0.9908, statistics.REPRODUCED, True),  # one example
    (0.9909, statistics.REPRODUCED, False),
    (0.9917, statistics.MISSED, False),
  ],
)
def test_better_is_as_wrong_as_worse(value, verdict, met):
  plan = execute.Plan(None, hardware=HARDWARE)
  found = result.make_result(LENET, [outcome(value)], plan)
  assert (found.verdict, found.target_met) == (verdict, met)
  assert found.summary.ci95 is None
  line = lines.line(found)
  assert line["sha256"] == LENET.sha256 and line["within"] == LENET.within
  assert lines.parse(line) == found


@EVERY
def test_a_row_says_how_far_off_it_may_be(row):
  assert re.fullmatch("[0-9a-f]{64}", row.sha256)
  # One example of 10,000, a tenth of a point, or a hundredth of a dB's third.
  allowed = {"%": 0.001, "nats": 0.001, "dB": 0.03}
  assert row.within <= allowed[row.unit] and row.target is not None


@pytest.mark.slow
@EVERY
def test_the_published_file_is_the_net(row, data_root):
  """Every tensor has a leaf, every leaf a tensor, and the file its hash."""
  file = data_root / "weights" / row.file
  if not file.is_file():
    pytest.skip(f"{file} is not there")
  opened = files.open_tensors(file, sha256=row.sha256)
  layout, net = interop.find(row.source)
  channels = max(len(net.preprocess.mean), 1)
  size = net.preprocess.size or (16, 16)  # () is any
  image = np.zeros((1, *size, channels), np.float32)
  shapes = leaves.shapes(leaves.abstract(net.model(), image))
  found = convert.convert(
    opened.tensors, layout(shapes), shapes, where=row.file
  )
  for path, tensor in found.items():
    array = tensor.load()
    assert array.shape == shapes[path] and np.isfinite(array).all(), path
    assert not np.all(array == 0), path


@pytest.mark.slow
def test_a_row_runs_from_the_file_to_its_target(
  tmp_path, data_root, monkeypatch
):
  if not (data_root / "weights").is_dir():
    pytest.skip(f"{data_root} has no weights")
  monkeypatch.setenv("VISION_JAX_DATA", str(data_root))
  monkeypatch.setenv("VISION_JAX_WEIGHTS", str(data_root / "weights"))
  flags = ("--suite=imported", "--rows=imported_vae_mnist")
  assert run.main([*flags, f"--output={tmp_path}"]) == 0
  (found,) = lines.read(tmp_path / "results.jsonl")
  assert found.target_met and len(found.seeds) == 1
  assert found.differs == "its authors publish no number"
