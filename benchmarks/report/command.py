"""Renders results as markdown, or writes the page that keeps them.

  python -m benchmarks.report                     # to the terminal
  python -m benchmarks.report --input=OUT/results.jsonl
  python -m benchmarks.report --write             # benchmarks/RESULTS.md

The last also writes the README's digest of it, and the table of concepts in
configs/README.md. All compute again what
follows from the values, the suite and the references, and refuse a line that
says otherwise: exit code 2.
"""

import argparse
import pathlib
import sys
from collections.abc import Sequence

from benchmarks import environment, lines
from benchmarks.report import concepts, pages
from benchmarks.speed import table
from vision_jax.errors import UserError
from vision_jax.files import replace_text


def main(argv: Sequence[str] | None = None) -> int:
  """Renders what `argv` names and returns the exit code."""
  options = _parse(argv)
  try:
    results = pages.newest(lines.read(pathlib.Path(options.input)))
    if options.write:
      _write(results, pathlib.Path(options.write))
    else:
      print(pages.page(results, "Results"), end="")
  except (UserError, OSError) as error:
    print(f"benchmarks.report: {error}", file=sys.stderr)
    return 2
  return 0


def _write(results: Sequence[pages.Result], root: pathlib.Path) -> None:
  """Writes the pages of results and concepts, and the README's digest."""
  readme, kept = root / "README.md", root / pages.PAGE
  text = pages.fill(readme.read_text("utf-8"), results)
  replace_text(kept, pages.everything(results, table.read(pages.RESULTS)))
  replace_text(readme, text)
  taught = root / concepts.PAGE
  taught.parent.mkdir(exist_ok=True)
  replace_text(taught, concepts.page(results))
  print(f"wrote the results of {len(results)} rows to {kept} and {readme}")


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
    "--write",
    nargs="?",
    default="",
    metavar="ROOT",
    const=str(environment.ROOT),
    help=f"write {pages.PAGE}, {concepts.PAGE} and README.md's digest, of this "
    "checkout or of the folder named",
  )
  return parser.parse_args(argv)
