"""A benchmark row in one file, as the README's "Add something" says."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from benchmarks import environment

FILE = "benchmarks/suites/mine.py"
TEXT = '''"""My rows."""

from benchmarks.row import Row

SUITES = {
  "mine": (
    Row(
      name="my_digits",
      config="configs/classification/digits_cnn.py",
      dataset="digits (scikit-learn)",
      reference="",
      protocol="360 test images, last step",
      tolerance=0.0,
      target=0.5,
      seeds=1,
    ),
  )
}
'''


def checkout(folder):
  """Copies what runs a benchmark; returns its files."""
  skip = shutil.ignore_patterns("__pycache__")
  for name in ("vision_jax", "configs", "benchmarks", "third_party"):
    shutil.copytree(environment.ROOT / name, folder / name, ignore=skip)
  return {*folder.rglob("*.py")}


@pytest.mark.slow
def test_a_row_is_one_file(tmp_path):
  here, out = tmp_path / "here", tmp_path / "out"
  before = checkout(here)
  (here / FILE).write_text(TEXT)
  ran = subprocess.run(
    [
      *(sys.executable, "-m", "benchmarks.run", "--suite=mine"),
      *("--variant=tiny", f"--output={out}"),
    ],
    cwd=here,
    env={**os.environ, "PYTHONPATH": str(here), "JAX_PLATFORMS": "cpu"},
    capture_output=True,
    text=True,
  )
  assert ran.returncode == 0, ran.stdout + ran.stderr
  (line,) = (out / "results.jsonl").read_text().splitlines()
  found = json.loads(line)
  assert (found["suite"], found["row"]) == ("mine", "my_digits")
  assert found["values"] and "my_digits" in ran.stdout
  assert {*here.rglob("*.py")} - before == {here / FILE}
