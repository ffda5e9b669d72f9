"""Results as a page of markdown, or as a block of one."""

import datetime
import pathlib
from collections.abc import Sequence
from typing import Any

from benchmarks import environment, result
from benchmarks.execute import Plan
from benchmarks.facts import HARDWARE
from benchmarks.report import markdown, tables
from benchmarks.result import Result
from benchmarks.speed import table
from benchmarks.suite import SUITES
from vision_jax.errors import UserError

BEGIN = "<!-- results:begin -->"
END = "<!-- results:end -->"
PROOFS = ("<!-- proofs:begin -->", "<!-- proofs:end -->")
RESULTS = environment.ROOT / "benchmarks" / "results"
PAGE = "benchmarks/RESULTS.md"

HEAD = """\
Written by `python -m benchmarks.report --write` from the lines in `results`. A
row whose data or hardware are missing says `not run here` and shows no number.
`reproduced` and `missed` are decided by the row's tolerance; where all of the
interval is better by more than that it is `better than expected`, which calls
for a look as well; `not comparable` says that its protocol is not the
reference's. A *target* is
ours, a *reference* is published, with its source in `third_party/references`.
"""
SPEED = """\
Of this machine, by `python -m benchmarks.speed`: models (on a CPU with and
without our tuning, in turns), the loop beside the bare compiled step, the input
pipeline, metrics and the matcher.
"""


def page(results: Sequence[Result], title: str) -> str:
  """Returns a report: tables, then how each row was measured, and on what."""
  return f"# {title}\n\n{tables.results_markdown(results)}\n{how(results)}"


def everything(results: Sequence[Result], speeds: Sequence[Any]) -> str:
  """Returns the page of all rows, run here or not, and of the speeds.

  Args:
    results: the newest ones, see `newest`.
    speeds: rows, see `benchmarks.speed.table.read`.
  """
  shown = with_absent(results)
  parts = [
    f"# Results\n\n{HEAD}",
    tables.results_markdown(shown),
    f"Why a row is not comparable:\n\n{tables.differences(shown)}",
    f"## How\n\n{how([x for x in shown if x.values])}",
    f"## Speed\n\n{SPEED}",
    table.page(speeds),
  ]
  return "\n".join(parts)


def how(results: Sequence[Result]) -> str:
  """Returns protocols, sources and commands; machines and versions."""
  conditions = dict.fromkeys(_conditions(x) for x in results if x.values)
  return tables.notes(results) + "".join(f"\n{line}\n" for line in conditions)


def _conditions(found: Result) -> str:
  packages = ", ".join(f"{k} {v}" for k, v in found.versions.items())
  return markdown.escape(
    f"{environment.describe(found.hardware)}; {packages}; commit "
    f"{found.git_commit or 'not known'}; {found.date[:10]}"
  )


def newest(results: Sequence[Result]) -> list[Result]:
  """Keeps the last result of every recipe on every kind of machine."""
  run = [x for x in by_date(results) if x.values]
  return list({(x.recipe, x.place): x for x in run}.values())


def by_date(results: Sequence[Result]) -> list[Result]:
  """Orders results by when they were measured."""
  moment = lambda x: datetime.datetime.fromisoformat(x.date)
  return sorted(results, key=moment)


def in_order(results: Sequence[Result]) -> list[Result]:
  """Orders results as the suites do; of those that repeat one, the last given.

  Those that say why there is no number are kept, too.
  """
  found = {(x.recipe, x.place): x for x in results}
  order = [row.name for rows in SUITES.values() for row in rows]
  return sorted(found.values(), key=lambda x: order.index(x.row.name))


def with_absent(results: Sequence[Result]) -> list[Result]:
  """Orders results as the suites do; rows without one say `not run here`.

  Results of another recipe than the row's, such as a tiny variant's, are no
  result of the row.
  """
  plan = Plan(output=pathlib.Path(), hardware=dict.fromkeys(HARDWARE, ""))
  ordered = []
  for rows in SUITES.values():
    for row in rows:
      found = [x for x in results if x.row == row and not x.changed]
      absent = result.make_absent(row, plan, "no committed result")
      ordered += found or [absent]
  return ordered


def fill(text: str, results: Sequence[Result]) -> str:
  """Returns the README's text with its two blocks of the results rewritten.

  Raises:
    UserError: the text lacks one of them, or it is not closed.
  """
  measured = [x for x in with_absent(results) if x.values]
  text = _filled(text, tables.proofs(measured), *PROOFS)
  return _filled(text, tables.digest(measured), BEGIN, END)


def _filled(text: str, block: str, begin: str, end: str) -> str:
  head, found, rest = text.partition(begin)
  _, closed, tail = rest.partition(end)
  if not found or not closed:
    raise UserError(
      f"the README has no block between {begin} and {end}; add both lines"
    )
  return f"{head}{begin}\n{block}{end}{tail}"
