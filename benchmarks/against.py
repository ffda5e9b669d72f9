"""New results beside earlier ones: what has become worse, or better.

Welch's test compares a row's seeds on both sides, Holm's correction keeps the
probability of any false alarm among all rows below 5 %.
"""

import dataclasses
import datetime
import math
from collections.abc import Iterable, Mapping, Sequence

from scipy import special

from benchmarks import environment
from benchmarks.report import tables
from benchmarks.report.markdown import escape, table
from benchmarks.result import Result
from benchmarks.statistics import Summary

WORSE = "worse"
BETTER = "better"
SAME = "no difference shown"
NOT_COMPARED = "not compared"
ALPHA = 0.05
COLUMNS = ("row", "before", "now", "p (Holm)", "verdict", "why")


@dataclasses.dataclass(frozen=True)
class Comparison:
  """A row's result beside its earlier one.

  Attributes:
    row: its name.
    before, now: the results; None of a row that is only on the other side.
    p: Holm's adjusted probability of such a difference by chance, both ways;
      None where nothing was compared.
    reason: then why; or on what else the result is, than the earlier one.
  """

  row: str
  before: Result | None
  now: Result | None
  p: float | None = None
  reason: str = ""

  @property
  def verdict(self) -> str:
    """`WORSE`, `BETTER`, `SAME` or `NOT_COMPARED`."""
    if self.p is None:
      return NOT_COMPARED
    if self.p >= ALPHA:
      return SAME
    higher = self.now.mean > self.before.mean
    return BETTER if higher == self.now.row.higher_is_better else WORSE


def compare(
  earlier: Iterable[Result], now: Iterable[Result], rows: Iterable[str]
) -> list[Comparison]:
  """Returns what each of the rows was and is, by their names.

  Args:
    earlier, now: results; those without a number count as not there.
    rows: names of the rows that were asked for: of others nothing is said.
  """
  before, after = _by_row(earlier), _by_row(now)
  found = [_one(name, before.get(name, ()), after.get(name)) for name in rows]
  adjusted = iter(holm([x.p for x in found if x.p is not None]))
  return [
    x if x.p is None else dataclasses.replace(x, p=next(adjusted))
    for x in found
    if x.before or x.now
  ]


def welch(a: Summary, b: Summary, n_a: int, n_b: int) -> float:
  """Returns the probability, both ways, of means so far apart by chance.

  Welch's t-test (1947) on the summaries of n_a and n_b values, two or more
  each. Values without any spread differ surely, or not at all.
  """
  of_a, of_b = a.sd**2 / n_a, b.sd**2 / n_b
  apart, error = abs(a.mean - b.mean), math.sqrt(of_a + of_b)
  if not error:
    return float(apart == 0)
  freedom = (of_a + of_b) ** 2 / (of_a**2 / (n_a - 1) + of_b**2 / (n_b - 1))
  return float(2 * special.stdtr(freedom, -apart / error))


def holm(probs: Sequence[float]) -> list[float]:
  """Returns Holm's (1979) adjusted probabilities, in the same order."""
  order = sorted(range(len(probs)), key=probs.__getitem__)
  adjusted, least = [0.0] * len(probs), 0.0
  for rank, i in enumerate(order):
    least = max(least, min(1.0, (len(probs) - rank) * probs[i]))
    adjusted[i] = least
  return adjusted


def worse(comparisons: Iterable[Comparison]) -> list[str]:
  """Returns the names of the rows that have become worse."""
  return [x.row for x in comparisons if x.verdict == WORSE]


def on_page(comparisons: Sequence[Comparison]) -> str:
  """Returns a section of markdown."""
  rows = [list(map(escape, cells(x))) for x in comparisons]
  return f"## Beside earlier results\n\n{table(COLUMNS, rows)}"


def on_screen(comparisons: Sequence[Comparison]) -> str:
  """Returns a table for a terminal."""
  return tables.plain(COLUMNS, [cells(x) for x in comparisons])


def cells(comparison: Comparison) -> list[str]:
  """Returns the cells of `COLUMNS`."""
  shown = lambda x: tables.result_cells(x)[2] if x else ""
  return [
    comparison.row,
    shown(comparison.before),
    shown(comparison.now),
    "" if comparison.p is None else f"{comparison.p:.3f}",
    comparison.verdict,
    comparison.reason,
  ]


def _by_row(results: Iterable[Result]) -> Mapping[str, Sequence[Result]]:
  """Results with a number by their rows, the newest first."""
  found: dict[str, list[Result]] = {}
  moment = lambda x: datetime.datetime.fromisoformat(x.date)
  for result in sorted(results, key=moment, reverse=True):
    if result.values:
      found.setdefault(result.row.name, []).append(result)
  return found


def _one(
  name: str, before: Sequence[Result], after: Sequence[Result] | None
) -> Comparison:
  now = after[0] if after else None
  if now is None:
    first = before[0] if before else None
    return Comparison(name, first, None, None, "there is no number of it now")
  same = [x for x in before if x.recipe == now.recipe]
  if not same:
    why = "its recipe is another one" if before else "it is new"
    return Comparison(name, None, now, None, why)
  # Of several machines the same kind, if it is among them.
  earlier = next((x for x in same if x.place == now.place), same[0])
  if min(len(earlier.values), len(now.values)) < 2:
    why = "a single seed says nothing of the noise"
    return Comparison(name, earlier, now, None, why)
  p = welch(earlier.summary, now.summary, len(earlier.values), len(now.values))
  return Comparison(name, earlier, now, p, _elsewhere(earlier, now))


def _elsewhere(earlier: Result, now: Result) -> str:
  """Says that a result is of another kind of machine; "" where it is not."""
  if earlier.place == now.place:
    return ""
  before, after = (environment.describe(x.hardware) for x in (earlier, now))
  return f"before on {before}, now on {after}"
