"""Steps beside those of another commit."""

import subprocess

import numpy as np
import pytest
from scipy import stats

from benchmarks import environment, revision, run
from benchmarks.revision import FASTER, SAME, SLOWER, Pairs
from benchmarks.suite import row_named

DIGITS = ("--suite=quick", "--rows=digits_cnn")


def noisy(factor, seed=0, pairs=10, row="a"):
  """A step that takes `factor` times as long, on a machine that wavers."""
  rng = np.random.default_rng(seed)
  machine = np.exp(rng.normal(0, 0.2, pairs))  # the same for both of a pair
  one = lambda: machine * np.exp(rng.normal(0, 0.03, pairs))
  return Pairs(row, list(0.01 * one()), list(0.01 * factor * one()))


def test_a_tenth_slower_is_found_and_nothing_is_not():
  found = [noisy(1.1, row="slow"), noisy(1.0, 1), noisy(0.9, 2)]
  verdicts = [revision.verdict(x, p) for x, p in revision.judged(found)]
  assert verdicts == [SLOWER, SAME, FASTER]
  alarms = [
    revision.verdict(x, p)
    for seed in range(200)
    for x, p in revision.judged([noisy(1.0, seed)])
  ]
  assert alarms.count(SAME) >= 195  # of 200, at 1 %


def test_its_probability_is_scipys():
  found = noisy(1.02)
  logs = np.log(found.now) - np.log(found.before)
  assert found.p == pytest.approx(stats.ttest_1samp(logs, 0).pvalue)
  assert found.ratio == pytest.approx(stats.gmean(np.exp(logs)))
  assert Pairs("a", [1.0, 1.0], [1.0, 1.0]).p == 1.0


def test_pairs_alternate_and_a_step_that_fails_is_named(monkeypatch, tmp_path):
  asked = []

  def step(place, config, overrides):
    asked.append(place)
    if len(asked) > 6:
      raise subprocess.CalledProcessError(1, "step", "", "x\nKeyError: width")
    return 1.0

  monkeypatch.setattr(revision, "step_seconds", step)
  monkeypatch.setattr(revision, "checkout", lambda name: Place(tmp_path))
  rows = [row_named("digits_cnn"), row_named("digits_vae")]
  fine, broken = revision.compare(rows, "HEAD", {}, pairs=3)
  here, there = environment.ROOT, tmp_path
  assert asked[:6] == [there, here, here, there, there, here]
  assert fine.before == fine.now == [1.0] * 3
  assert broken.reason == "its step fails before: KeyError: width"


class Place:
  def __init__(self, path):
    self.path = path

  def __enter__(self):
    return self.path

  def __exit__(self, *error):
    return None


def test_a_slower_row_ends_with_3(tmp_path, capsys):
  found = [noisy(1.1, row="slow"), Pairs("gone", reason="it is | new")]
  assert revision.report(found, "HEAD~1", tmp_path) == 3
  assert "slower than at HEAD~1: slow" in capsys.readouterr().err
  page = (tmp_path / "revision.md").read_text()
  assert "| slow | " in page and "not compared: it is \\| new" in page
  assert revision.report([noisy(1.0)], "HEAD~1", tmp_path) == 0


def test_neither_a_file_nor_a_commit(tmp_path, capsys):
  with pytest.raises(SystemExit) as stopped:
    run.main([*DIGITS, "--against=nothing", f"--output={tmp_path}"])
  assert stopped.value.code == 2
  assert "and no commit of that name" in " ".join(
    capsys.readouterr().err.split()
  )


@pytest.mark.slow
def test_a_commit_is_checked_out_and_timed(tmp_path):
  if not (environment.ROOT / ".git").exists():
    pytest.skip("this is no checkout")
  row = row_named("digits_cnn")
  (found,) = revision.compare([row], "HEAD", {}, "tiny", pairs=2)
  assert not found.reason and min(*found.before, *found.now) > 0
  listed = subprocess.run(
    ["git", "worktree", "list"],
    cwd=environment.ROOT, capture_output=True, text=True, check=True,
  ).stdout  # fmt: skip
  assert "/before " not in listed
