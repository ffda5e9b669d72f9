"""Renders results as markdown, or writes the README's table from them.

  python -m benchmarks.report                     # to the terminal
  python -m benchmarks.report --input=OUT/results.jsonl
  python -m benchmarks.report --readme            # rewrites README.md's block

It refuses results that lack their recipe, seeds or hardware: exit code 2.
"""

import argparse
import pathlib
import sys
from collections.abc import Sequence

from benchmarks import environment, execute, result, speed_table, tables
from benchmarks.execute import Plan
from benchmarks.suite import SUITES
from vision_jax.errors import UserError

BEGIN = "<!-- results:begin -->"
END = "<!-- results:end -->"
SPEED = ("<!-- speed:begin -->", "<!-- speed:end -->")
RESULTS = environment.ROOT / "benchmarks" / "results"


def main(argv: Sequence[str] | None = None) -> int:
  """Renders what `argv` names and returns the exit code."""
  options = _parse(argv)
  try:
    lines = result.read(pathlib.Path(options.input))
    if options.readme:
      readme = pathlib.Path(options.readme)
      text = fill(readme.read_text("utf-8"), with_absent(newest(lines)))
      speeds = speed_table.page(speed_table.read(RESULTS))
      execute.write_text(readme, put(text, speeds, *SPEED))
      print(f"wrote the results of {len(newest(lines))} rows to {readme}")
    else:
      print(page(newest(lines), "Results"), end="")
  except (result.BadResult, OSError, ValueError) as error:
    print(f"benchmarks.report: {error}", file=sys.stderr)
    return 2
  return 0


def page(lines: Sequence[dict], title: str) -> str:
  """Returns a whole report: tables, sources, machine and versions."""
  text = f"# {title}\n\n{tables.results_markdown(lines)}\n"
  text += tables.notes(lines)
  for line in lines[:1]:
    packages = ", ".join(f"{k} {v}" for k, v in line["versions"].items())
    text += (
      f"\n{environment.describe(line['hardware'])}; {packages}; commit "
      f"{line['git_commit'] or 'not known'}; {line['date']}\n"
    )
  return text


def newest(lines: Sequence[dict]) -> list[dict]:
  """Keeps the last result of every row on every kind of device."""
  kept = {}
  for line in sorted(lines, key=lambda line: line["date"]):
    hardware = line["hardware"]
    place = hardware["device_kind"], hardware["device_count"], hardware["cpu"]
    if line["mean"] is not None:
      kept[line["row"], place] = line
  return list(kept.values())


def with_absent(lines: Sequence[dict]) -> list[dict]:
  """Orders results as the suites do; rows without one say `not run here`."""
  plan = Plan(output=pathlib.Path())
  ordered = []
  for rows in SUITES.values():
    for row in rows:
      found = [line for line in lines if line["row"] == row.name]
      absent = result.make_absent(row, plan, "no committed result")
      ordered += found or [absent]
  return ordered


def fill(text: str, lines: Sequence[dict]) -> str:
  """Returns the README's text with its block rewritten.

  Raises:
    UserError: the text has no such block, or it is not closed.
  """
  table = tables.results_markdown(lines)
  why = f"Why a row is not comparable:\n\n{tables.differences(lines)}"
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


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
  parser = argparse.ArgumentParser(
    prog="python -m benchmarks.report",
    description="Renders benchmark results as markdown.",
    allow_abbrev=False,
  )
  parser.add_argument(
    "--input",
    default=str(RESULTS),
    help="a .jsonl file or a folder of them, default benchmarks/results",
  )
  parser.add_argument(
    "--readme",
    nargs="?",
    default="",
    const=str(environment.ROOT / "README.md"),
    help="write the table into README.md (or the file named)",
  )
  return parser.parse_args(argv)


if __name__ == "__main__":
  sys.exit(main())
