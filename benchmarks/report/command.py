"""Renders results as markdown, or writes the pages that keep them.

  python -m benchmarks.report                     # to the terminal
  python -m benchmarks.report --input=OUT/results.jsonl
  python -m benchmarks.report --output=FOLDER     # report.html, .md and .csv
  python -m benchmarks.report --write             # benchmarks/RESULTS.md

The last also writes the README's digest of it, and in configs README.md, the
recipes and the concepts, CHOOSING.md, which config to take, and KEYS.md, what
each key means. All compute again what follows from the values, the suite and
the references, and refuse a line that says otherwise, by name: the exit code is
2 then, and the rest is rendered, but nothing is written by --write. With
--against=FILE the files of --output say what has become worse than in earlier
results, and the exit code is 3 where something has.
"""

import argparse
import pathlib
import sys
from collections.abc import Sequence

from benchmarks import against, doubts, environment, lines
from benchmarks.page.page import Contents
from benchmarks.report import choosing, concepts, files, keys, pages
from benchmarks.result import Result
from benchmarks.speed import table
from vision_jax.errors import UserError
from vision_jax.files import replace_text


def main(argv: Sequence[str] | None = None) -> int:
  """Renders what `argv` names and returns the exit code."""
  options = _parse(argv)
  place = pathlib.Path(options.input)
  try:
    if options.write:
      results = pages.newest(lines.read(place))
      _write(results, pathlib.Path(options.write))
      return 0
    found, bad = lines.read_each(place)
    _complain(*bad)
    code = 2 if bad else 0
    if options.output:
      return _files(found, bad, options) or code
    print(pages.page(pages.newest(found), "Results"), end="")
  except (UserError, OSError) as error:
    _complain(error)
    return 2
  return code


def _complain(*errors: Exception) -> None:
  for error in errors:
    print(f"benchmarks.report: {error}", file=sys.stderr)


def _files(
  found: Sequence[Result],
  bad: Sequence[lines.BadResult],
  options: argparse.Namespace,
) -> int:
  """Writes the three files; returns 3 where a row is worse than before."""
  place, results = pathlib.Path(options.input), pages.newest(found)
  committed = place.resolve() == pages.RESULTS
  folder = place if place.is_dir() else place.parent
  beside = None
  if options.against:
    earlier, refused = lines.read_each(pathlib.Path(options.against))
    _complain(*refused)
    bad = [*bad, *refused]
    names = dict.fromkeys(x.row.name for x in (*results, *earlier))
    beside = against.compare(earlier, results, names)
  contents = Contents(
    "Results" if committed else f"Results of {folder.resolve().name}",
    pages.with_absent(results)
    if committed
    else pages.in_order(pages.by_date(found)),
    runs=folder,
    suites=folder,
    beside=beside,
    doubts=doubts.every(found, bad),
  )
  written = files.write(contents, pathlib.Path(options.output))
  print(f"wrote {', '.join(map(str, written))}")
  return 3 if beside and against.worse(beside) else 0


def of_configs(results: Sequence[Result]) -> dict[str, str]:
  """Returns the pages in `configs`, by their paths.

  Args:
    results: the newest ones, see `pages.newest`.

  Raises:
    UserError: if a config has a key that no docstring tells of.
  """
  known = {x.row.name: x for x in results if x.values and not x.changed}
  return {
    concepts.PAGE: concepts.page(results),
    choosing.PAGE: choosing.page(known),
    keys.PAGE: keys.page(),
  }


def _write(results: Sequence[Result], root: pathlib.Path) -> None:
  """Writes the pages of results and concepts, and the README's digest."""
  readme, kept = root / "README.md", root / pages.PAGE
  text = pages.fill(readme.read_text("utf-8"), results)
  replace_text(kept, pages.everything(results, table.read(pages.RESULTS)))
  replace_text(readme, text)
  (root / concepts.PAGE).parent.mkdir(exist_ok=True)
  for place, page in of_configs(results).items():
    replace_text(root / place, page)
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
    "--output",
    default="",
    metavar="FOLDER",
    help="write report.html, report.md and report.csv there",
  )
  parser.add_argument(
    "--against",
    default="",
    metavar="FILE",
    help="earlier results, a .jsonl file or a folder of them: with --output, "
    "what has become worse than there, beyond the noise, is listed",
  )
  parser.add_argument(
    "--write",
    nargs="?",
    default="",
    metavar="ROOT",
    const=str(environment.ROOT),
    help=f"write {pages.PAGE}, {concepts.PAGE}, {choosing.PAGE}, {keys.PAGE} "
    "and README.md's digest, of this checkout or of the folder named",
  )
  return parser.parse_args(argv)
