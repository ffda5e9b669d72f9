"""New results beside earlier ones: Welch, Holm, and what is not compared."""

import dataclasses

import pytest
from scipy import stats

from benchmarks import against, lines
from benchmarks.report import pages
from benchmarks.statistics import summarize


@pytest.mark.parametrize(
  ("a", "b"),
  [([1.0, 2.0, 4.0], [2.0, 2.5]), ([0.1, 0.2], [0.1, 0.2, 0.15, 0.3])],
)
def test_welch_is_scipys(a, b):
  expected = stats.ttest_ind(a, b, equal_var=False).pvalue
  found = against.welch(summarize(a), summarize(b), len(a), len(b))
  assert found == pytest.approx(expected, rel=1e-9)


def test_values_without_spread_differ_surely_or_not_at_all():
  one, other = summarize([0.5, 0.5]), summarize([0.6, 0.6])
  assert against.welch(one, one, 2, 2) == 1
  assert against.welch(one, other, 2, 2) == 0


def test_holm_by_hand():
  assert against.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
  assert against.holm([0.5, 0.9]) == [1.0, 1.0]
  assert against.holm([]) == []


@pytest.fixture(scope="module")
def result():
  """A result of three seeds."""
  kept = lines.read(pages.RESULTS / "quick_cpu.jsonl")
  return next(x for x in kept if x.row.name == "digits_cnn")


def compared(before, now):
  (found,) = against.compare([before], [now], ["digits_cnn", "another"])
  return found


def test_verdicts(result):
  with_values = lambda *values: dataclasses.replace(
    result, values=values, seeds=range(len(values))
  )
  before = with_values(0.80, 0.81, 0.82)
  assert compared(before, before).verdict == against.SAME
  assert compared(before, with_values(0.79, 0.81, 0.82)).verdict == against.SAME
  worse = compared(before, with_values(0.70, 0.71, 0.72))
  assert worse.verdict == against.WORSE and worse.p < 0.001
  assert compared(before, with_values(0.9, 0.91)).verdict == against.BETTER
  lower = dataclasses.replace(result.row, higher_is_better=False)
  turned = dataclasses.replace(with_values(0.9, 0.91), row=lower)
  assert compared(before, turned).verdict == against.WORSE


def test_what_is_not_compared_says_why(result):
  one = dataclasses.replace(result, values=[0.1], seeds=[0])
  other = dataclasses.replace(result, variant="tiny")
  for now, why in ((one, "single seed"), (other, "recipe")):
    found = compared(result, now)
    assert found.verdict == against.NOT_COMPARED and why in found.reason
  (gone,) = against.compare([result], [], ["digits_cnn"])
  (new,) = against.compare([], [result], ["digits_cnn"])
  assert "no number of it now" in gone.reason and "new" in new.reason
  assert not against.worse([gone, new])
