"""A stranger's rerun of a committed row falls inside its interval."""

import json
import pathlib
import shlex
import subprocess
import sys

import pytest

from benchmarks.statistics import summarize
from tests.programs.command import PATIENCE, ROOT
from tests.programs.flags import real_environment

RESULTS = ROOT / "benchmarks" / "results" / "quick_cpu.jsonl"
CHEAPEST = "digits_cnn"
NEW_SEED = 7  # none of the row's


@pytest.mark.slow
def test_the_cheapest_rows_command_gives_a_value_in_its_interval(tmp_path):
  lines = [json.loads(x) for x in RESULTS.read_text("utf-8").splitlines()]
  (line,) = [x for x in lines if x["row"] == CHEAPEST]
  low, high = summarize(line["values"]).pi95
  workdir = tmp_path / "again"
  asked = []
  for word in shlex.split(line["command"])[1:]:  # after "python"
    name, _, _ = word.partition("=")
    new = {"--workdir": workdir, "--config.seed": NEW_SEED}
    asked.append(f"{name}={new[name]}" if name in new else word)
  assert str(NEW_SEED) not in map(str, line["seeds"])
  subprocess.run(
    [sys.executable, *asked],
    check=True,
    cwd=ROOT,
    env=real_environment(),
    timeout=PATIENCE,
  )
  text = pathlib.Path(workdir, "metrics.jsonl").read_text("utf-8")
  last = {k: v for x in text.splitlines() for k, v in json.loads(x).items()}
  assert low <= last[line["metric"]] <= high
  assert last["sklearn/svc"] == line["also"]["sklearn/svc"]
