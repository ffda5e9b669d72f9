"""Renders results as markdown, or writes the README's table from them.

  python -m benchmarks.report                     # to the terminal
  python -m benchmarks.report --input=OUT/results.jsonl
  python -m benchmarks.report --readme            # rewrites README.md's block

It computes again what follows from the values, the suite and the references,
and refuses a line that says otherwise: exit code 2.
"""

import argparse
import pathlib
import sys
from collections.abc import Sequence

from benchmarks import environment, lines
from benchmarks.report import pages
from benchmarks.speed import table
from vision_jax.errors import UserError
from vision_jax.files import replace_text


def main(argv: Sequence[str] | None = None) -> int:
  """Renders what `argv` names and returns the exit code."""
  options = _parse(argv)
  try:
    results = pages.newest(lines.read(pathlib.Path(options.input)))
    if options.readme:
      readme = pathlib.Path(options.readme)
      text = pages.fill(readme.read_text("utf-8"), pages.with_absent(results))
      speeds = table.page(table.read(pages.RESULTS))
      replace_text(readme, pages.put(text, speeds, *pages.SPEED))
      print(f"wrote the results of {len(results)} rows to {readme}")
    else:
      print(pages.page(results, "Results"), end="")
  except (UserError, OSError) as error:
    print(f"benchmarks.report: {error}", file=sys.stderr)
    return 2
  return 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
  parser = argparse.ArgumentParser(
    prog="python -m benchmarks.report",
    description="Renders benchmark results as markdown.",
    allow_abbrev=False,
  )
  parser.add_argument(
    "--input",
    default=str(pages.RESULTS),
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
