"""Errors under corruption by kind and strength: table, mCE and curves."""

import json

import cv2
import jax
import numpy as np
import pytest

from benchmarks import environment, lines
from benchmarks.result import Result
from benchmarks.robustness import command, errors, page
from benchmarks.suite import SUITES
from tests.benchmarks.test_benchmarks_run import HARDWARE
from vision_jax.data.transforms.corruptions import STRENGTHS

ROWS = SUITES["robustness"]


def made_up(row, number):
  """Errors of 0.1 * strength of a row, less of the later ones."""
  error = lambda name: 0.1 * int(name[-1]) / (1 + number)
  ways = {
    name: 1 - error(name.split("/")[1])
    for name in row.also
    if name != "test/accuracy"
  }
  return Result(
    row=row,
    variant="full",
    overrides=dict(row.overrides),
    hardware=HARDWARE,
    versions=environment.versions(),
    git_commit="0" * 40,
    date="2026-01-01T00:00:00+00:00",
    seeds=[0],
    values=[0.5],
    also={"test/accuracy": 0.99, **ways},
    seconds=60.0,
  )


RESULTS = [made_up(row, number) for number, row in enumerate(ROWS)]


def test_files_of_results(tmp_path, capsys):
  file = tmp_path / "results.jsonl"
  lines.write(RESULTS, file)
  words = [f"--input={file}", f"--output={tmp_path}"]
  assert command.main(words) == 0
  found = json.loads((tmp_path / "robustness.json").read_text())
  mlp, _, cnn, *_ = found["rows"]
  assert (mlp["row"], mlp["mce"]) == ("robust_mlp", 1.0)
  assert cnn["row"] == "robust_cnn" and cnn["mce"] == pytest.approx(1 / 3)
  assert cnn["corruption_error"]["noise"] == pytest.approx(1 / 3)
  assert mlp["errors"]["scale"] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])
  text = (tmp_path / "robustness.md").read_text()
  assert text == page.markdown(found)
  assert "mCE compares these rows only" in text
  assert text.count("\n| rotation |") == 5 and "robust_cnn | 1 | 99.00" in text
  image = cv2.imread(str(tmp_path / "robustness.png"))
  assert image.shape[0] > 700 and len(np.unique(image)) > 10
  lines.write(RESULTS[1:], file)
  assert command.main(words) == 2
  assert "has no result of robust_mlp; run" in capsys.readouterr().err


def test_gains_of_augmentation():
  flat = lambda x: {kind: [x] * 5 for kind in STRENGTHS}
  known = {"robust_cnn": flat(0.3), "robust_cnn_augmented": flat(0.1)}
  known["robust_cnn_augmented"] |= {"scale": [0.9, 0.9, 0.2, 0.25, 0.1]}
  known["robust_cnn_augmented"] |= {"noise": [0.4] * 5}
  assert errors.least_gain(known, "cnn") == pytest.approx(0.05)
  assert errors.gains(known, "cnn")["noise"] == pytest.approx([-0.1] * 5)


def test_a_base_without_errors_is_refused():
  none = {"noise": [0.0, 0.0]}
  with pytest.raises(ValueError, match="robust_mlp: makes no errors of noise"):
    errors.relative({"noise": [0.1, 0.2]}, none)


def test_what_is_kept_is_of_the_suite():
  """Computed again from the committed results, where there are some."""
  folder = environment.ROOT / "benchmarks/results"
  if not (folder / "robustness.json").exists():
    pytest.skip("no results are kept")
  found = json.loads((folder / "robustness.json").read_text())
  again = json.loads(json.dumps(command.summary(lines.read(command.DEFAULT))))
  # Python 3.12 adds floats in another way than 3.11.
  near = lambda x: pytest.approx(x, rel=1e-12) if isinstance(x, float) else x
  assert {key: found[key] for key in again} == jax.tree.map(near, again)
  assert (folder / "robustness.md").read_text() == page.markdown(found)
  known = {row["row"]: row["errors"] for row in found["rows"]}
  assert errors.least_gain(known, "cnn") > 0
