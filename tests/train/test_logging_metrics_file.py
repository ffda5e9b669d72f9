"""workdir/metrics.jsonl: the schema, kills, object stores."""

import json
import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest

from vision_jax.train.log.metrics_file import MetricsFile


def lines(folder):
  text = (folder / "metrics.jsonl").read_text()
  strict = lambda name: pytest.fail(f"{name} is not JSON")
  return [json.loads(x, parse_constant=strict) for x in text.splitlines()]


@pytest.fixture(params=[True, False], ids=["append", "rewrite"])
def append(request):
  return request.param


@pytest.fixture
def file(append, tmp_path):
  return MetricsFile(tmp_path, append=append)


def test_writes_one_object_a_line(file, tmp_path):
  file.write(3, {"train/loss": 0.5, "n": 7}, now=12.5)
  file.write(4, {"val/accuracy": np.float32(0.25), "x": jnp.ones(())}, now=13.0)
  file.close()
  assert lines(tmp_path) == [
    {"step": 3, "time": 12.5, "train/loss": 0.5, "n": 7},
    {"step": 4, "time": 13.0, "val/accuracy": 0.25, "x": 1.0},
  ]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, jnp.nan])
def test_what_is_not_finite_is_null(file, tmp_path, value):
  file.write(1, {"loss": value})
  file.close()
  assert lines(tmp_path)[0]["loss"] is None


@pytest.mark.parametrize(
  "values", [{"step": 1}, {"time": 2.0}, {"x": np.ones(2)}, {"x": "high"}]
)
def test_refuses_what_is_not_a_scalar(file, values):
  with pytest.raises(ValueError, match=next(iter(values))):
    file.write(1, values)


def test_cuts_back_to_the_step_and_goes_on(file, tmp_path):
  for step in (1, 2, 2, 3, 4):
    file.write(step, {"x": step})
  assert file.truncate_after(2) == 2
  assert file.truncate_after(2) == 0
  file.write(3, {"x": 30})
  file.close()
  assert [x["x"] for x in lines(tmp_path)] == [1, 2, 2, 30]
  assert [x["x"] for x in file.read()] == [1, 2, 2, 30]


@pytest.mark.parametrize("torn", ['{"step": 2, "ti', '{"step": 2}', "\x00\x00"])
def test_drops_a_torn_last_line(file, append, tmp_path, torn):
  file.write(1, {"x": 1})
  file.close()
  with open(tmp_path / "metrics.jsonl", "a") as f:
    f.write(torn)
  again = MetricsFile(tmp_path, append=append)
  assert len(again.read()) == 1
  assert again.truncate_after(9) == 1
  again.write(2, {"x": 2})
  again.close()
  assert [x["step"] for x in lines(tmp_path)] == [1, 2]


def test_nothing_to_cut(file, tmp_path):
  assert file.truncate_after(5) == 0
  file.close()
  assert not (tmp_path / "metrics.jsonl").exists()


def test_a_killed_process_loses_no_line(tmp_path):
  code = (
    "import os, sys\n"
    "from vision_jax.train.log.metrics_file import MetricsFile\n"
    "file = MetricsFile(sys.argv[1])\n"
    "for step in range(50): file.write(step, {'x': step})\n"
    "os.kill(os.getpid(), 9)"
  )
  subprocess.run([sys.executable, "-c", code, tmp_path], check=False)
  assert [x["step"] for x in lines(tmp_path)] == list(range(50))
