"""The accuracy of learning from samples over that of real digits."""

import pytest

from benchmarks import environment, generated_data, lines
from benchmarks.result import Result
from benchmarks.suites.generated_data import BOTH, GENERATED, GENERATED_DATA
from tests.benchmarks.test_benchmarks_run import HARDWARE


def made_up(row, value):
  return Result(
    row=row,
    variant="full",
    overrides=dict(row.overrides),
    hardware=HARDWARE,
    versions=environment.versions(),
    git_commit="0" * 40,
    date="2026-01-01T00:00:00+00:00",
    seeds=[0, 1],
    values=[value, value],
    seconds=60.0,
  )


def test_the_table_of_results(tmp_path, capsys):
  values = (0.99, 0.9603, 0.995)
  pairs = zip(GENERATED_DATA, values, strict=True)
  results = [made_up(row, value) for row, value in pairs]
  file = tmp_path / "results.jsonl"
  lines.write(results, file)
  assert generated_data.main([f"--input={file}"]) == 0
  text = capsys.readouterr().out
  assert "| learned_real | 2 | 99.00 | 1.0000 |" in text
  assert "| learned_generated | 2 | 96.03 | 0.9700 |" in text
  lines.write(results[:1], file)
  assert generated_data.main([f"--input={file}"]) == 2
  message = "has no result of learned_generated, learned_both; expected"
  assert message in capsys.readouterr().err


def test_samples_of_the_dcgan_teach_nearly_as_much_as_real_digits():
  """Of the committed results, where there are some."""
  if not generated_data.DEFAULT.exists():
    pytest.skip("no results are kept")
  found = generated_data.accuracies(lines.read(generated_data.DEFAULT))
  assert generated_data.share(found, GENERATED) >= 0.95
  assert generated_data.share(found, BOTH) >= 0.99
