"""Results as a page of markdown, or as a block of one."""

import datetime
import pathlib
from collections.abc import Sequence

from benchmarks import environment, result
from benchmarks.execute import Plan
from benchmarks.facts import HARDWARE
from benchmarks.report import markdown, tables
from benchmarks.result import Result
from benchmarks.suite import SUITES
from vision_jax.errors import UserError

BEGIN = "<!-- results:begin -->"
END = "<!-- results:end -->"
SPEED = ("<!-- speed:begin -->", "<!-- speed:end -->")
RESULTS = environment.ROOT / "benchmarks" / "results"


def page(results: Sequence[Result], title: str) -> str:
  """Returns a whole report: tables, sources, machines and versions."""
  text = f"# {title}\n\n{tables.results_markdown(results)}\n"
  text += tables.notes(results)
  conditions = dict.fromkeys(map(_conditions, results))
  return text + "".join(f"\n{line}\n" for line in conditions)


def _conditions(found: Result) -> str:
  packages = ", ".join(f"{k} {v}" for k, v in found.versions.items())
  return markdown.escape(
    f"{environment.describe(found.hardware)}; {packages}; commit "
    f"{found.git_commit or 'not known'}; {found.date[:10]}"
  )


def newest(results: Sequence[Result]) -> list[Result]:
  """Keeps the last result of every recipe on every kind of machine."""
  moment = lambda x: datetime.datetime.fromisoformat(x.date)
  run = [x for x in sorted(results, key=moment) if x.values]
  return list({(x.recipe, x.place): x for x in run}.values())


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
  """Returns the README's text with its block rewritten.

  Raises:
    UserError: the text has no such block, or it is not closed.
  """
  table = tables.results_markdown(results)
  why = f"Why a row is not comparable:\n\n{tables.differences(results)}"
  return put(text, f"{table}\n{why}", BEGIN, END)


def put(text: str, block: str, begin_mark: str, end_mark: str) -> str:
  """Returns a text with what is between two marks replaced.

  Raises:
    UserError: the text has no such block, or it is not closed.
  """
  head, begin, rest = text.partition(begin_mark)
  _, end, tail = rest.partition(end_mark)
  if not begin or not end:
    raise UserError(
      f"the README has no block between {begin_mark} and {end_mark}; add both "
      "lines"
    )
  return f"{head}{begin}\n{block}{end}{tail}"
