"""What does not add up: lines that are no results, results that disagree."""

from collections.abc import Iterable, Iterator, Sequence

from benchmarks import environment, references
from benchmarks.against import ALPHA, holm, welch
from benchmarks.report import pages, tables
from benchmarks.result import Result


def every(results: Iterable[Result], refused: Iterable[Exception]) -> list[str]:
  """Returns a sentence for each of them, and for what is no reference."""
  bad = [f"left out: {x}" for x in (*refused, *references.refused())]
  return bad + disagreements(results)


def disagreements(results: Iterable[Result]) -> list[str]:
  """Says which results of a recipe cannot both be right.

  The newest of each recipe is compared with every earlier one: by Welch's test
  with Holm's correction over all of them, where both have two seeds or more;
  where a file of others was evaluated, which has no noise, by how far off the
  row lets a value be.
  """
  pairs = [*_pairs(results)]
  tested = [pair for pair in pairs if _noisy(pair)]
  adjusted = holm([_prob(*pair) for pair in tested])
  exact = [pair for pair in pairs if not _noisy(pair) and _apart(*pair)]
  noisy = [
    (pair, p) for pair, p in zip(tested, adjusted, strict=True) if p < ALPHA
  ]
  return [_text(*pair, "nothing in it varies") for pair in exact] + [
    _text(*pair, f"p = {p:.2g}") for pair, p in noisy
  ]


def _pairs(results: Iterable[Result]) -> Iterator[tuple[Result, Result]]:
  """Yields each earlier result of a recipe with its newest one."""
  found: dict[tuple, list[Result]] = {}
  for result in pages.by_date([*results]):
    if result.values:
      found.setdefault(result.recipe, []).append(result)
  for *earlier, newest in found.values():
    yield from ((x, newest) for x in earlier)


def _noisy(pair: Sequence[Result]) -> bool:
  return min(len(x.values) for x in pair) > 1


def _prob(a: Result, b: Result) -> float:
  return welch(a.summary, b.summary, len(a.values), len(b.values))


def _apart(a: Result, b: Result) -> bool:
  within = a.row.within
  return within is not None and abs(a.mean - b.mean) > 2 * within + 1e-9


def _text(earlier: Result, newest: Result, why: str) -> str:
  return (
    f"{newest.row.name}: {_one(earlier)} and {_one(newest)} disagree, {why}"
  )


def _one(result: Result) -> str:
  where = environment.describe(result.hardware)
  shown = tables.result_cells(result)[2]
  return f"{shown} of {result.date[:10]} on {where}"
