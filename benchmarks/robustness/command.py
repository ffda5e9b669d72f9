"""Tables and curves of the suite `robustness`, from its results.

  python -m benchmarks.run --suite=robustness --output=OUT
  python -m benchmarks.robustness --input=OUT/results.jsonl --output=FOLDER

Trains nothing. The mean corruption error (mCE) needs the plain MLP's errors
too, so that it is no metric of a run: that of a kind is the net's errors,
summed over the strengths, over the plain MLP's, and mCE is the mean over the
kinds.
Writes robustness.json, robustness.md and robustness.png. Exit code 2 for bad
input.
"""

import argparse
import json
import pathlib
import shlex
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks import environment, lines
from benchmarks.report import pages
from benchmarks.result import Result
from benchmarks.robustness import errors, page
from benchmarks.suite import SUITES
from vision_jax.data.transforms.corruptions import STRENGTHS
from vision_jax.errors import UserError
from vision_jax.files import replace_text
from vision_jax.viz.png import write_png

DEFAULT = environment.ROOT / "benchmarks/results/robustness_cpu.jsonl"


def main(argv: Sequence[str] | None = None) -> int:
  """Writes the files; returns the exit code."""
  parser = argparse.ArgumentParser(
    prog="python -m benchmarks.robustness", description=__doc__
  )
  parser.add_argument("--input", default=DEFAULT, type=pathlib.Path)
  parser.add_argument("--output", default="out/robustness", type=pathlib.Path)
  options = parser.parse_args(argv)
  try:
    found = summary(pages.newest(lines.read(options.input)))
  except (UserError, OSError) as error:
    print(f"benchmarks.robustness: {error}", file=sys.stderr)
    return 2
  words = sys.argv[1:] if argv is None else argv
  command = shlex.join(["python", "-m", "benchmarks.robustness", *words])
  found = {"command": command} | found
  options.output.mkdir(parents=True, exist_ok=True)
  text = json.dumps(found, indent=1) + "\n"
  replace_text(options.output / "robustness.json", text)
  replace_text(options.output / "robustness.md", page.markdown(found))
  write_png(options.output / "robustness.png", page.image(found))
  print(page.markdown(found))
  return 0


def summary(results: Sequence[Result]) -> dict[str, Any]:
  """Returns what the files say, of results of the suite's rows.

  Raises:
    UserError: if a row has none.
  """
  known = {x.row.name: x for x in results if x.values and not x.changed}
  names = [row.name for row in SUITES["robustness"]]
  if absent := [name for name in names if name not in known]:
    raise UserError(
      f"input: has no result of {', '.join(absent)}; run "
      "`python -m benchmarks.run --suite=robustness` and give its "
      "results.jsonl as --input."
    )
  rows = [known[name] for name in names]
  found = {x.row.name: errors.errors_of(x) for x in rows}
  base = found[errors.BASE]
  return {
    "normalised_by": errors.BASE,
    "strengths": {kind: list(each) for kind, each in STRENGTHS.items()},
    "rows": [_row(x, found[x.row.name], base) for x in rows],
  }


def _row(
  result: Result, own: errors.Errors, base: errors.Errors
) -> dict[str, Any]:
  return {
    "row": result.row.name,
    "command": result.command,
    "seeds": list(result.seeds),
    "seconds": result.seconds,
    "test_error": 1 - result.also["test/accuracy"],
    "errors": own,
    "corruption_error": errors.relative(own, base),
    "mce": errors.mean_relative(own, base),
    "hardware": dict(result.hardware),
    "versions": dict(result.versions),
    "git_commit": result.git_commit,
    "date": result.date,
  }
