"""What samples are worth as training data: accuracies of a suite, divided.

  python -m benchmarks.run --suite=generated_data --output=OUT
  python -m benchmarks.generated_data --input=OUT/results.jsonl

Trains nothing: the classification accuracy score of the suite
`generated_data` (https://arxiv.org/abs/1905.10887) needs two runs, one on real
digits and one on samples. Prints a table of markdown. Exit code 2 for bad
input.
"""

import argparse
import pathlib
import sys
from collections.abc import Mapping, Sequence

from benchmarks import environment, lines
from benchmarks.report import markdown, pages
from benchmarks.result import Result
from benchmarks.suites.generated_data import GENERATED_DATA, REAL
from vision_jax.errors import UserError

DEFAULT = environment.ROOT / "benchmarks/results/generated_data_cpu.jsonl"


def main(argv: Sequence[str] | None = None) -> int:
  """Prints the table; returns the exit code."""
  parser = argparse.ArgumentParser(
    prog="python -m benchmarks.generated_data", description=__doc__
  )
  parser.add_argument("--input", default=DEFAULT, type=pathlib.Path)
  given = parser.parse_args(argv)
  try:
    found = accuracies(pages.newest(lines.read(given.input)))
  except (UserError, OSError) as error:
    print(f"benchmarks.generated_data: {error}", file=sys.stderr)
    return 2
  print(table(found), end="")
  return 0


def accuracies(results: Sequence[Result]) -> dict[str, Result]:
  """Returns the result of each of the suite's rows, by its name.

  Raises:
    UserError: if a row has none.
  """
  known = {x.row.name: x for x in results if x.values and not x.changed}
  names = [row.name for row in GENERATED_DATA]
  if absent := [name for name in names if name not in known]:
    raise UserError(
      f"input: has no result of {', '.join(absent)}; expected one of each row. "
      "Run `python -m benchmarks.run --suite=generated_data` and give its "
      "results.jsonl as --input."
    )
  return {name: known[name] for name in names}


def share(found: Mapping[str, Result], name: str) -> float:
  """Returns a row's accuracy over that of training on real digits."""
  return found[name].mean / found[REAL].mean


def table(found: Mapping[str, Result]) -> str:
  """Returns accuracies in percent, and their shares of the real one's."""
  rows = [
    [
      name,
      str(len(x.values)),
      f"{100 * x.mean:.2f}",
      f"{share(found, name):.4f}",
    ]
    for name, x in found.items()
  ]
  return markdown.table(("row", "seeds", "accuracy", "of the real"), rows)


if __name__ == "__main__":
  sys.exit(main())
